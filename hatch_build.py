"""Build hook: put the pinned front-end packages into the wheel and the source archive.

A build finds them in the checkout, or in the source archive, and otherwise fetches them as
``scripts/serve`` does; where the machine has no npm, the build asks its frontend for the one
that a PyPI package brings.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _vendor_assets(root: Path) -> ModuleType:
    """Load ``scripts/vendor_assets.py``, which is no part of any package."""
    path = root / "scripts" / "vendor_assets.py"
    spec = importlib.util.spec_from_file_location("vendor_assets", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"expected {path}, got no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class VendorAssetsHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Fetch what ``static/vendor/`` and ``fonts/`` lack before files are collected."""

    def dependencies(self) -> list[str]:
        """Ask for npm only where something is missing and the machine has none."""
        root = Path(self.root)
        assets = _vendor_assets(root)
        if assets.is_current(root) or assets.find_npm() is not None:
            return []
        pin: str = assets.locked_requirement(root / "requirements-tools.lock", assets.NPM_PACKAGE)
        return [pin.split()[0]]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the front-end packages where they are missing or out of date."""
        root = Path(self.root)
        assets = _vendor_assets(root)
        if assets.is_current(root):
            return
        npm = assets.find_npm()
        if npm is None:
            raise assets.VendorError("expected npm on this machine or from the build, got none")
        assets.fetch(npm, root)
