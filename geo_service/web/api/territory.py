"""Areas, their borders, and the names that people type for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geo_service import maps
from geo_service.schema import LEVELS
from geo_service.web.answers import ONE_DAY, PRIVATE
from geo_service.web.api.edition import present
from geo_service.web.api.media import csv_text, send, tag_of, to_json
from geo_service.web.api.operations import Operation, operation
from geo_service.web.api.parameters import ParameterError, choice, pattern
from geo_service.web.api.schemas import CSV, reference
from geo_service.web.places import kreis_finder
from geo_service.web.rendering import area_index
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Response
    from numpy.typing import NDArray

    from geo_service.schema import Level
    from geo_service.web.api.edition import Edition
    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Asked
    from geo_service.web.api.records import Test
    from geo_service.web.areas import Area
    from geo_service.web.site import View

__all__ = ["AREA_KEY", "EXPECTED_AREA", "TOLERANCES_M", "area_of", "area_test", "borders_of"]

AREA_KEY: Final = "[0-9]{2}|[0-9]{5}|[0-9]{8,9}"
EXPECTED_AREA: Final = "the key of an area that exists (/api/v1/areas lists them)"
TOLERANCES_M: Final = ("0", "50", "100", "200", "500", "1000")
"""How far borders may be thinned: a fixed list, so that each is made and kept once."""

_LEVEL: Final = "Only areas of this level."


def area_of(view: View, key: str, parameter: str = "area") -> Area:
    """Return the area that a key means, former keys too.

    Raises
    ------
    ParameterError
        If there is none.
    """
    index = area_index(view)
    found = index.canonical(key)
    if found is None:
        raise ParameterError(parameter, EXPECTED_AREA, key, status=404)
    return index.areas[found]


def area_test(view: View, edition: Edition, keys: Iterable[str]) -> Test:
    """Test whether a record is known to lie in one of the areas, given by their own keys."""
    paths, path_of_row = _paths(view, edition)
    wanted = frozenset(keys)
    allowed = np.array([not wanted.isdisjoint(path) for path in paths], dtype=np.bool_)
    return lambda rows: allowed[path_of_row[rows]]


def _paths(view: View, edition: Edition) -> tuple[list[tuple[str, ...]], NDArray[np.intp]]:
    """Return the distinct lists of areas that records lie in, and which one each row has.

    A record without a point lies in the Kreis that it names.
    """

    def make() -> tuple[list[tuple[str, ...]], NDArray[np.intp]]:
        areas = area_index(view)
        find_kreis = kreis_finder(view.snapshot.territory.municipalities)
        numbers: dict[tuple[str, ...], int] = {}
        rows = []
        columns = (edition.index.column(name) for name in ("ags", "kreis"))
        known: dict[tuple[str | None, str | None], int] = {}
        for pair in zip(*columns, strict=True):
            if pair not in known:
                ags, stated = pair
                kreis = find_kreis(stated)
                path = areas.path_of(ags) or areas.path_of(kreis.key if kreis else None)
                known[pair] = numbers.setdefault(path, len(numbers))
            rows.append(known[pair])
        return list(numbers), np.array(rows, dtype=np.intp)

    return view.snapshot.derive(("api area paths",), make)


# -------------------------------------------------------------------------------- areas


def _described(view: View, area: Area, records: dict[str, int]) -> dict[str, Any]:
    return {
        "key": area.key,
        "name": area.name,
        "level": area.level,
        "kind": area.kind,
        "population": area.population,
        "within": list(area.path),
        "bbox": [round(edge, 5) for edge in area.bounds],
        "records": records.get(area.key, 0),
    }


def _records_by_area(view: View, edition: Edition) -> dict[str, int]:
    def make() -> dict[str, int]:
        paths, path_of_row = _paths(view, edition)
        totals: dict[str, int] = {}
        for path, count in zip(paths, np.bincount(path_of_row, minlength=len(paths)), strict=True):
            for key in path:
                totals[key] = totals.get(key, 0) + int(count)
        return totals

    return view.snapshot.derive(("api records by area",), make)


@operation(
    Operation(
        name="areas",
        path="/areas",
        summary="The Land, its Kreise, Verbandsgemeinden and municipalities",
        description="Keys are official ones, as text. A kreisfreie Stadt is an area of level"
        " `kreis`, a municipality outside any Verbandsgemeinde one of level `gemeinde`; each"
        " area is listed once.",
        parameters=(
            choice("level", LEVELS, _LEVEL, example="kreis"),
            pattern(
                "within",
                AREA_KEY,
                EXPECTED_AREA,
                "Only areas inside this one, by its key.",
                example="07137",
            ),
        ),
        answers={"json": reference("AreaList"), "csv": CSV},
        example="areas?level=verbandsgemeinde&within=07137",
        refusals={404: "No area has this key."},
    )
)
def areas(asked: Asked, format_: Format) -> Response:
    """List areas, the larger ones first."""
    view, edition = present()
    inside = area_of(view, asked["within"], "within").key if asked["within"] else None
    records = _records_by_area(view, edition)
    found = [
        _described(view, area, records)
        for area in area_index(view).areas.values()
        if (not asked["level"] or area.level == asked["level"])
        and (inside is None or inside in area.path)
    ]
    tag = edition.tag("areas", format_, asked["level"], inside)
    if format_ == "json":
        return send(b'{%s,"areas":%s}' % (edition.head, to_json(found)), format_, tag)
    columns = ("key", "name", "level", "kind", "population", "records")
    lines = [[one[name] for name in columns] + [" ".join(one["within"])] for one in found]
    return send(csv_text([[*columns, "within"], *lines]), format_, tag)


@operation(
    Operation(
        name="area",
        path="/areas/{key}",
        key="Key of the area; former keys are understood, the answer has the present one.",
        summary="One area",
        description="Name, level, people, larger areas, box and number of records.",
        parameters=(),
        answers={"json": reference("Area")},
        example="areas/07137",
        refusals={404: "No area has this key."},
    )
)
def area(asked: Asked, format_: Format, key: str) -> Response:
    """Give one area."""
    del asked
    view, edition = present()
    found = _described(view, area_of(view, key, "key"), _records_by_area(view, edition))
    return send(to_json(found), format_, edition.tag("area", found["key"]))


# --------------------------------------------------------------- borders and suggestions


@operation(
    Operation(
        name="boundaries",
        path="/boundaries",
        summary="Borders of a level as GeoJSON",
        description="Neighbours keep their common border however far it is thinned. Every"
        " municipality lies in one area of every level.",
        parameters=(
            choice("level", LEVELS, "Level of the areas.", default="kreis"),
            choice(
                "simplification_m",
                TOLERANCES_M,
                "Borders thinned after Visvalingam and Whyatt: side, in metres, of the square"
                " whose area a left-out corner may have.",
                default="100",
                example="200",
            ),
        ),
        answers={"geojson": reference("BoundaryCollection")},
        example="boundaries?level=kreis&simplification_m=200",
    )
)
def boundaries(asked: Asked, format_: Format) -> Response:
    """Give the borders of a level."""
    content, tag = borders_of(the_site().view(), asked["level"], asked["simplification_m"])
    return send(content, format_, tag, cache=ONE_DAY)


def borders_of(view: View, level: Level, tolerance: str) -> tuple[bytes, str]:
    """Return the borders of a level as GeoJSON, thinned by so many metres, and their tag."""
    territory = view.snapshot.territory

    def make() -> tuple[bytes, str]:
        thin = partial(_thinned, view, tolerance)
        thinned = view.backdrop.get(territory, ("api thinned", tolerance), thin)
        content = maps.borders_geojson(thinned, level=level, note=view.border_note)
        return content, tag_of(0, content)

    return view.backdrop.get(territory, ("api borders", level, tolerance), make)


def _thinned(view: View, tolerance: str) -> Any:
    municipalities = view.snapshot.territory.municipalities
    if tolerance == "0":
        return municipalities
    return maps.thin_borders(municipalities, tolerance_m=float(tolerance))


@operation(
    Operation(
        name="suggestions",
        path="/suggestions",
        summary="Names that begin with what is typed",
        description="Towns, districts, areas and postal codes of the Land, at most eight. Each"
        " is a text that `ort` of the start page understands.",
        parameters=(
            pattern(
                "q",
                r"[^\u0000-\u001f\u007f]{1,100}",
                "the beginning of a name, 1 to 100 characters",
                "The beginning of a name, in any script.",
                required=True,
                example="Main",
            ),
        ),
        answers={"json": reference("Suggestions")},
        example="suggestions?q=Main",
    )
)
def suggestions(asked: Asked, format_: Format) -> Response:
    """Suggest names of places."""
    found = the_site().view().search.suggest(" ".join(asked["q"].split()))
    content = to_json({"suggestions": found})
    return send(content, format_, tag_of(0, content), cache=PRIVATE)
