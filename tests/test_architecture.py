"""The house rules of docs/architecture.md: who may import whom, and by which door."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from geo_service import config

PACKAGE = config.static_dir().parent
GROUND = {"errors", "schema", "names", "formats", "writing"}
ROOMS = {
    "reading",
    "records",
    "gazetteer",
    "geocoding",
    "municipalities",
    "population",
    "demand",
    "coverage",
    "changes",
    "maps",
    "exports",
    "scenarios",
    "siting",
    "store",
}
WEB = {
    "changes",
    "errors",
    "schema",
    "names",
    "formats",
    "config",
    "snapshot",
    "store",
    "maps",
    "exports",
    "coverage",
    "handout",
    "opening_hours",
    "scenarios",
    "siting",
    "reading",
    "tiles",
    "writing",
    "classification",
    "map_images",
    "report",
}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "names": set(),
    "formats": set(),
    "writing": set(),
    "connections": set(),
    "schema": {"errors"},
    "config": {"errors"},
    **{room: set(GROUND) for room in ROOMS},
    "store": GROUND | {"store"},
    "exports": GROUND | {"exports"},
    "coverage": GROUND | {"coverage"},
    "gazetteer": GROUND | {"gazetteer"},
    "geocoding": GROUND | {"geocoding"},
    "typesetting": {"errors", "typesetting"},
    "handout": GROUND | {"handout", "typesetting"},
    "report": GROUND | {"report", "typesetting"},
    "map_images": set(GROUND),
    "opening_hours": GROUND | {"opening_hours"},
    "reading": {"errors", "reading"},
    "siting": GROUND | {"siting"},
    "records": GROUND | {"reading", "records"},
    "review": set(GROUND),
    "classification": {"errors", "formats"},
    "tiles": {"errors", "tiles"},
    "server": {"config", "connections", "errors", "geocoding", "snapshot", "store", "web"},
    "pipeline": GROUND | (ROOMS - {"maps"}) | {"snapshot"},
    "snapshot": GROUND | (ROOMS - {"maps"}) | {"snapshot"},
    "web": WEB | {"web"},
    "__init__": GROUND | {"pipeline"},
}
"""Rooms of the package that a room may import while running; `cli` may import everything."""

TYPES_ONLY = {"errors": {"schema"}}
"""Imports that only the type checker sees."""

DOORS = {
    "geopy": {"geocoding"},
    "folium": {"maps"},
    "branca": {"maps"},
    "sqlalchemy": {"store"},
    "psycopg": {"store"},
    "flask": {"web"},
    "flask_babel": {"web"},
    "flask_limiter": {"web"},
    "babel": {"web"},
    "openpyxl": {"exports"},
    "pyogrio": {"municipalities", "exports"},
    "gunicorn": {"server"},
    "opening_hours": {"opening_hours"},
    "segno": {"handout"},
    "typst": {"typesetting"},
    "matplotlib": {"map_images"},
    "click": {"cli"},
    "rich": {"cli"},
}
"""Libraries and the only rooms that may import them."""


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if not p.is_relative_to(PACKAGE / "static"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def imports(tree: ast.AST, *, typing_only: bool = False) -> set[str]:
    """Dotted names that a tree imports, those under TYPE_CHECKING told apart."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            found |= imports(node, typing_only=True) if typing_only else set()
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            module = node.module or ""
            found |= (
                {f"{module}.{alias.name}" for alias in node.names}
                if module == "geo_service"
                else {module}
            )
        found |= imports(node, typing_only=typing_only)
    return found


def rooms_imported(names: set[str]) -> set[str]:
    rooms = {name.split(".")[1] for name in names if name.startswith("geo_service.")}
    return rooms - {"__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_only_what_the_house_allows(path: Path) -> None:
    room = room_of(path)
    if room in {"cli", "__main__"}:
        return
    assert room in MAY_IMPORT, f"{room} is a new room: add it here and to docs/architecture.md"
    tree = ast.parse(path.read_text("utf-8"))
    allowed = MAY_IMPORT[room]
    assert rooms_imported(imports(tree)) <= allowed
    seen_by_types = rooms_imported(imports(tree, typing_only=True))
    assert seen_by_types <= allowed | TYPES_ONLY.get(room, set())


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_enter_by_their_door(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    libraries = {name.split(".")[0] for name in imports(tree)}
    for library in libraries & set(DOORS):
        assert room_of(path) in DOORS[library], f"{library} enters by {sorted(DOORS[library])}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_config_reads_the_environment(path: Path) -> None:
    if room_of(path) == "config":
        return
    tree = ast.parse(path.read_text("utf-8"))
    reads = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv", "environb"}
    ]
    assert not reads


def test_every_room_is_drawn_in_the_architecture_page() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
    text = page.read_text("utf-8")
    rooms = {room_of(path) for path in modules()} - {"__init__", "__main__"}
    missing = {room for room in rooms if f"{room}.py" not in text and f"{room}/" not in text}
    assert not missing


def test_importing_the_package_reads_no_setting_and_builds_no_app() -> None:
    import subprocess

    code = (
        "import os, sys; os.environ['GEO_SERVICE_PORT'] = 'nonsense';"
        "import geo_service, geo_service.config; print('flask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
