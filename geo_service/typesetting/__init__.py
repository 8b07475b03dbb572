"""The one door to Typst: a template and its data become a PDF, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geo_service.errors import TypesettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FONTS", "typeset"]

FONTS: Final = Path(__file__).resolve().parent.parent / "fonts"
"""Fetched at set-up, as the files under ``static/vendor/`` are."""

_PROCESS: Final = Path(__file__).with_name("process.py")
_MEMORY_BYTES: Final = 1_000_000_000
_SECONDS: Final = 10
"""Of processor time."""

_LONGEST_S: Final = 30.0
"""By the clock: on a busy machine the same work takes longer."""

_WAIT_S: Final = 20.0
_one_at_a_time: Final = threading.Lock()


def typeset(template: Path, data: Mapping[str, Any]) -> bytes:
    """Set a template with its data as PDF: the same input gives the same bytes.

    It is tagged, and PDF/UA-1 as long as the fonts have every letter. One is set at a time in
    each process; others wait.

    Parameters
    ----------
    template
        A Typst file. It finds no file but fonts, and no package.
    data
        What JSON can hold; the template finds it as ``sys.inputs.data``. No text in it is
        ever part of the template.

    Raises
    ------
    TypesettingError
        If it cannot be set within the limits, or the fonts are missing.
    """
    order = {
        "template": template.read_text("utf-8"),
        "data": json.dumps(data, ensure_ascii=False),
        "fonts": str(FONTS),
    }
    # -I: neither the environment nor the working folder has a say in the child.
    command = [sys.executable, "-I", str(_PROCESS), str(_MEMORY_BYTES), str(_SECONDS)]
    if not _one_at_a_time.acquire(timeout=_WAIT_S):
        raise TypesettingError(f"expected a free place within {_WAIT_S:g} s, others still wait")
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and file, no shell)
            command,
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TypesettingError(f"expected a PDF within {_LONGEST_S:g} s, got none") from None
    finally:
        _one_at_a_time.release()
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF"):
        reason = done.stderr.decode(errors="replace").strip()[-2000:]
        raise TypesettingError(f"typesetting ended with {done.returncode}: {reason}")
    return done.stdout
