"""The records: those of a choice, page by page or all at once, and one of them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import numpy as np
from flask import request

from geo_service.opening_hours import TIME_ZONE, parse_hours, state_at
from geo_service.schema import CATEGORIES, PUBLIC_COLUMNS, THEMES, WHEELCHAIR
from geo_service.snapshot.derived import Derived
from geo_service.web.answers import caching
from geo_service.web.api.cursors import Cursor, question_of, read_cursor
from geo_service.web.api.edition import present
from geo_service.web.api.media import MEDIA_TYPES, csv_text, send, send_stream
from geo_service.web.api.operations import Operation, operation
from geo_service.web.api.parameters import (
    ParameterError,
    choice,
    date,
    moment,
    pattern,
    several,
    whole_number,
)
from geo_service.web.api.records import Found, Near, Walk, changed_since
from geo_service.web.api.schemas import CSV, reference
from geo_service.web.api.territory import area_of, area_test

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping

    from flask import Response
    from numpy.typing import NDArray

    from geo_service.web.api.edition import Edition
    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Asked
    from geo_service.web.api.records import Order, Test
    from geo_service.web.site import View

__all__ = ["ALL", "AREA", "DEFAULT_LIMIT", "MAX_LIMIT", "PARAMETERS"]

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 1000
MAX_RADIUS_M: Final = 200_000
MOST_MOMENTS: Final = 64
"""For how many moments it is kept who is open: there is no end of them, and they cost little."""
ALL: Final = "all"
_CONTROLS: Final = r"[^\u0000-\u001f\u007f]{1,100}"
_FRACTION: Final = r"(?:\.[0-9]{1,15})?"
_LON: Final = rf"(?:(?:1[0-5]|0?[0-9]){_FRACTION}|16(?:\.0{{1,15}})?)"
_LAT: Final = rf"(?:(?:4[5-9]|5[0-5]){_FRACTION}|56(?:\.0{{1,15}})?)"
_ANY_LON: Final = rf"-?(?:1[0-7][0-9]|[0-9]{{1,2}}){_FRACTION}|-?180(?:\.0{{1,15}})?"
_ANY_LAT: Final = rf"-?(?:[0-8]?[0-9]){_FRACTION}|-?90(?:\.0{{1,15}})?"
_CORNER: Final = rf"(?:{_ANY_LON}),(?:{_ANY_LAT})"


def _read_box(text: str) -> tuple[float, float, float, float]:
    """Return west, south, east, north of the box between two opposite corners."""
    lon, lat, other_lon, other_lat = map(float, text.split(","))
    return min(lon, other_lon), min(lat, other_lat), max(lon, other_lon), max(lat, other_lat)


def _read_point(text: str) -> tuple[float, float]:
    lon, lat = map(float, text.split(","))
    return lon, lat


AREA: Final = pattern(
    "area",
    "[0-9]{2}|[0-9]{5}|[0-9]{8,9}",
    "the key of an area that exists (/api/v1/areas lists them)",
    "Key of a Land (2 digits), Kreis (5), Verbandsgemeinde (9) or municipality (8); former keys"
    " are understood. Several widen the choice.",
    example="07137",
    many="repeat",
    default=(),
)

PARAMETERS: Final = (
    pattern(
        "bbox",
        f"{_CORNER},{_CORNER}",
        "lon,lat,lon,lat in degrees (EPSG:4326)",
        "Two opposite corners of a box in degrees (EPSG:4326): west,south,east,north. Records"
        " without a point lie in no box.",
        parse=_read_box,
        example="8.2,49.9,8.4,50.1",
    ),
    pattern(
        "near",
        f"{_LON},{_LAT}",
        "lon,lat in degrees (EPSG:4326), lon 0 to 16, lat 45 to 56",
        "Point to measure from, lon,lat in degrees (EPSG:4326), lon 0 to 16, lat 45 to 56. Only"
        " records with a point, nearest first, with `distance_m`.",
        parse=_read_point,
        example="8.27,50.0",
    ),
    whole_number(
        "radius_m",
        1,
        MAX_RADIUS_M,
        "Only records at most so many metres from `near`; goes with `near` alone.",
        example=5000,
    ),
    AREA,
    choice(
        "category",
        CATEGORIES,
        "Category of the record. Several widen the choice.",
        many="repeat",
        default=(),
        example=["Begegnungscafé"],
    ),
    choice(
        "theme",
        THEMES,
        "Leitthema of the record. Several widen the choice.",
        many="repeat",
        default=(),
    ),
    pattern(
        "language",
        _CONTROLS,
        "the name of a language, at most 100 characters",
        "Spoken language as records name it, in German and in any spelling (/api/v1/summary"
        " lists them). Several widen the choice.",
        many="repeat",
        default=(),
        example=["Arabisch"],
    ),
    choice(
        "wheelchair",
        WHEELCHAIR,
        "Access for wheelchairs. Several widen the choice.",
        many="repeat",
        default=(),
    ),
    moment(
        "open_at",
        "Only records that are certainly open at this moment, as far as the text of their hours"
        " tells; what is not certain is left out, see `unknown`.",
        example="2026-11-23T18:00:00+01:00",
    ),
    several(
        "unknown",
        ("open_at", "language", "wheelchair"),
        "Add the records that say nothing certain about these: unknown is not 'no'.",
    ),
    date(
        "since",
        "Only records that were created or changed in the directory on this day (Europe/Berlin)"
        " or later.",
        example="2026-01-01",
    ),
    pattern(
        "q",
        _CONTROLS,
        "words, at most 100 characters",
        "Words that name, town, organisation, offers or languages must all contain.",
        example="Nähen",
    ),
    several(
        "fields",
        PUBLIC_COLUMNS,
        "Columns to send, joined by commas; all where it is missing. `id`, point and distance"
        " are always sent.",
        example=["name", "category"],
    ),
    choice(
        "sort",
        ("id", "name", "distance"),
        "Order. `distance` goes with `near`, and is what that has by default; else `id`.",
    ),
    whole_number(
        "limit",
        1,
        MAX_LIMIT,
        f"Records of a page at most; {DEFAULT_LIMIT} where it is missing. `all` sends everything"
        " as one stream of one revision.",
        or_word=ALL,
        example=10,
    ),
    pattern(
        "cursor",
        "[A-Za-z0-9_-]{1,1000}",
        "one that an answer to the same question gave",
        "Where the walk goes on: part of the address that an answer gives as `next`, and in its"
        " Link header.",
    ),
)

_COLLECTION: Final[dict[Format, Mapping[str, Any]]] = {
    "geojson": reference("InitiativeCollection"),
    "json": reference("InitiativeList"),
    "csv": CSV,
}


@operation(
    Operation(
        name="initiatives",
        path="/initiatives",
        summary="Places and initiatives of a choice",
        description="Choices of one kind widen the set, kinds narrow one another. The default"
        " format is GeoJSON.",
        parameters=PARAMETERS,
        answers=_COLLECTION,
        example="initiatives?bbox=8.2,49.9,8.4,50.1&limit=10",
        refusals={
            404: "No area has this key.",
            409: "Each parameter can be read, but they do not go together: `radius_m` or"
            " `sort=distance` without `near`, or a `cursor` of another question.",
            429: "Too many full copies (`limit=all`) from one address; Retry-After says when to"
            " ask again.",
        },
    )
)
def initiatives(asked: Asked, format_: Format) -> Response:
    """Give the records of a choice."""
    _check_together(asked)
    question = question_of(asked)
    order: Order = asked["sort"] or ("distance" if asked["near"] else "id")
    cursor = _cursor(asked, question, order)
    view, edition = present(at_least=cursor.revision if cursor else 0)
    walk = _walk(view, edition, asked, order, cursor)
    cache = caching(personal=bool(asked["near"] or asked["bbox"] or asked["q"]))
    root, path, query = request.script_root, request.path, request.query_string
    tag = edition.tag(format_, root, path, query)
    if asked["limit"] == ALL:
        pieces = partial(_whole, edition, edition.index.find(walk), format_, asked)
        return send_stream(pieces, format_, tag, cache=cache)
    found, more = edition.index.page(walk, asked["limit"] or DEFAULT_LIMIT)
    after = None
    if more:
        cursor = Cursor(edition.revision, edition.index.key(found[-1], order))
        after = _next(root + path, query, cursor.text(question))
    content = b"".join(_whole(edition, found, format_, asked, after))
    response = send(content, format_, tag, cache=cache)
    if after:
        kind = MEDIA_TYPES[format_].partition(";")[0]
        response.headers.add("Link", f'<{after}>; rel="next"; type="{kind}"')
    return response


@operation(
    Operation(
        name="initiative",
        path="/initiatives/{id}",
        key="Id of the record; `.geojson`, `.json` or `.csv` behind it chooses the format.",
        summary="One place or initiative",
        description="What is known of one record. An id stays for good.",
        parameters=(),
        answers={"geojson": reference("InitiativeFeature"), "json": reference("Initiative")},
        example="initiatives/{id}.json",
        refusals={404: "No record has this id."},
    )
)
def initiative(asked: Asked, format_: Format, key: str) -> Response:
    """Give one record."""
    del asked
    _, edition = present()
    row = edition.index.row_of(key)
    if row is None:
        raise ParameterError("id", "the id of a record", key, status=404)
    found = Found(row)
    content = edition.feature(found) if format_ == "geojson" else edition.item(found)
    return send(content, format_, edition.tag(format_, key))


# ------------------------------------------------------------------------- the question


def _check_together(asked: Asked) -> None:
    """Refuse what can be read but makes no sense together."""
    if not asked["near"]:
        if asked["radius_m"]:
            got = str(asked["radius_m"])
            raise ParameterError("radius_m", "`near` beside it", got, status=409)
        if asked["sort"] == "distance":
            raise ParameterError("sort", "`near` beside distance", "distance", status=409)


def _cursor(asked: Asked, question: str, order: Order) -> Cursor | None:
    if asked["cursor"] is None:
        return None
    return read_cursor(asked["cursor"], question, int if order == "distance" else str)


def _walk(view: View, edition: Edition, asked: Asked, order: Order, cursor: Cursor | None) -> Walk:
    return Walk(
        tests=tuple(_tests(view, edition, asked)),
        box=asked["bbox"],
        near=_near(asked),
        order=order,
        after=cursor.key if cursor else None,
    )


def _near(asked: Asked) -> Near | None:
    if asked["near"] is None:
        return None
    lon, lat = asked["near"]
    return Near(lon, lat, float(asked["radius_m"] or "inf"))


def _tests(view: View, edition: Edition, asked: Asked) -> Iterator[Test]:
    index, unknown = edition.index, asked["unknown"]
    if asked["area"]:
        yield area_test(view, edition, [area_of(view, key).key for key in asked["area"]])
    for name in ("category", "theme"):
        if asked[name]:
            yield index.is_one_of(name, asked[name])
    if asked["wheelchair"]:
        test = index.is_one_of("wheelchair", asked["wheelchair"])
        yield _or_silent(test, index.is_silent("wheelchair"), "wheelchair" in unknown)
    if asked["language"]:
        test = index.speaks(asked["language"])
        yield _or_silent(test, index.is_silent("languages"), "language" in unknown)
    if asked["open_at"]:
        states = _states_at(view, edition, asked["open_at"])
        allowed = states == 1 if "open_at" not in unknown else states != 0
        yield index.is_any(allowed)
    if asked["since"]:
        yield index.is_any(_changed(view, asked["since"]))
    if asked["q"]:
        yield index.says(asked["q"])


def _or_silent(test: Test, silent: Test, wanted: bool) -> Test:
    return (lambda rows: test(rows) | silent(rows)) if wanted else test


def _changed(view: View, day: dt.date) -> NDArray[np.bool_]:
    snapshot = view.snapshot
    if snapshot.log is None:
        return np.ones(len(snapshot.initiatives), dtype=np.bool_)
    return changed_since(snapshot.log.moments, snapshot.log.last, day, TIME_ZONE)


def _states_at(view: View, edition: Edition, at: dt.datetime) -> NDArray[np.int8]:
    """Return per row 1 where it is certainly open, 0 closed, -1 where that is not known."""

    def make() -> NDArray[np.int8]:
        texts = edition.index.column("opening_hours")
        known = {text: _state(text, at) for text in set(texts)}
        return np.array([known[text] for text in texts], dtype=np.int8)

    moments = view.snapshot.derive(("api open at",), partial(Derived, MOST_MOMENTS))
    return moments.get(at, make)


def _state(text: str | None, at: dt.datetime) -> int:
    rule = parse_hours(text).rule if text else None
    if rule is None or not 1901 <= at.year <= 9995:  # years the rules can be asked about
        return -1
    return {"open": 1, "closed": 0}.get(state_at(rule, at), -1)


# --------------------------------------------------------------------------- the answer


def _whole(
    edition: Edition, rows: Iterable[Found], format_: Format, asked: Asked, after: str | None = None
) -> Iterator[bytes]:
    """Write an answer in pieces."""
    chosen = asked["fields"]
    columns = PUBLIC_COLUMNS
    if chosen:
        columns = tuple(name for name in PUBLIC_COLUMNS if name in {"id", *chosen})
    all_ = not chosen
    if format_ == "csv":
        columns += ("lon", "lat", *(("distance_m",) if asked["near"] else ()))
        yield csv_text([columns])
    else:
        yield _HEADS[format_] % edition.head
    yield from edition.written(rows, format_, columns=columns, all_=all_)
    if format_ != "csv":
        yield b"]}" if after is None else b'],"next":%s}' % _quoted(after)


_HEADS: Final = {
    "geojson": b'{"type":"FeatureCollection",%s,"features":[',
    "json": b'{%s,"initiatives":[',
}


_PLAIN_QUERY: Final = re.compile(rb"[A-Za-z0-9_.,=&-]*", re.ASCII)
"""A query string that can stand in an address as it came."""


def _quoted(address: str) -> bytes:
    return b'"%s"' % address.encode()  # percent-encoded: nothing to escape


def _next(path: str, query: bytes, cursor: str) -> str:
    """Return the address of the next page of a question."""
    if _PLAIN_QUERY.fullmatch(query) and b"cursor=" not in query:
        given = query.decode()
    else:
        pairs = [pair for pair in request.args.items(multi=True) if pair[0] != "cursor"]
        given = urlencode(pairs, safe=",")
    return f"{quote(path)}?{given}{'&' if given else ''}cursor={cursor}"
