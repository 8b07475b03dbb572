"""GeoJSON, read as JSON: no coordinate system, link or driver in it is ever followed."""

from __future__ import annotations

import json
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, Final

from geo_service.reading.common import Fault, Item, Limits, Refused, clip, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["GEOMETRY_HEADINGS", "geojson_cells"]

_CRS84: Final = frozenset(
    {
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:OGC::CRS84",
        "urn:ogc:def:crs:EPSG::4326",
        "EPSG:4326",
    }
)
GEOMETRY_HEADINGS: Final = ("geometry lon", "geometry lat")


class _Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def geojson_cells(stream: IO[bytes], limits: Limits) -> Iterator[Item]:
    """Read the Features of a GeoJSON document (RFC 7946); a feature's line is its number.

    The first two columns are the point's coordinates, the others the properties in the
    order of their first appearance. A feature's ``id`` is not read: programs number
    features anew at every export.
    """
    features = _features(_json(stream))
    headings: dict[str, int] = {}
    for feature in features:
        if isinstance(feature, dict) and isinstance(feature.get("properties"), dict):
            for key in feature["properties"]:
                headings.setdefault(plain(key), len(headings) + 2)
    yield 0, [*GEOMETRY_HEADINGS, *headings]
    for number, feature in enumerate(features, start=1):
        row = [""] * (len(headings) + 2)
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            yield Fault(number, None, "a Feature", _kind(feature))
        else:
            yield from _point(feature.get("geometry"), number, row)
            yield from _properties(feature.get("properties"), number, row, headings)
        yield number, row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object; of a key that stands twice, one value would be lost unsaid."""
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise Refused(f"expected each name once in a JSON object, got {clip(plain(twice))} twice")
    return members


def _json(stream: IO[bytes]) -> Any:
    try:
        text = stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"expected UTF-8 text (RFC 8259), byte {error.start} is not") from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        if not text.strip("\ufeff \t\r\n"):
            raise Refused("expected a GeoJSON FeatureCollection, got an empty file") from None
        raise Refused(
            f"line {error.lineno}, character {error.colno}: expected JSON, got what is not "
            f"({error.msg})"
        ) from None
    except RecursionError:
        raise Refused("expected a GeoJSON FeatureCollection, got JSON nested too deep") from None


def _refuse_constant(name: str) -> None:
    raise Refused(f"expected JSON, got {name}, which JSON does not have")


def _features(document: Any) -> list[Any]:
    kind = document.get("type") if isinstance(document, dict) else None
    if kind not in ("FeatureCollection", "Feature"):
        raise Refused(f"expected a GeoJSON FeatureCollection, got {_kind(document)}")
    _check_crs(document.get("crs"))
    features = document.get("features") if kind == "FeatureCollection" else [document]
    if not isinstance(features, list):
        raise Refused(f"features: expected a list, got {_kind(features)}")
    return features


def _check_crs(crs: Any) -> None:
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if name not in _CRS84:
        got = name if isinstance(name, str) else _dump(crs)
        raise Refused(f"crs: expected degrees, longitude first (WGS 84, RFC 7946), got {clip(got)}")


def _point(geometry: Any, number: int, row: list[str]) -> Iterator[Fault]:
    if geometry is None:
        return
    place = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        yield Fault(number, 0, "a Point or null", _kind(geometry))
    elif (
        not isinstance(place, list)
        or not 2 <= len(place) <= 4
        or not all(isinstance(value, _Number) for value in place)
    ):
        yield Fault(number, 0, "coordinates [lon, lat]", clip(_dump(place)))
    else:
        row[0], row[1] = str(place[0]), str(place[1])


def _properties(
    properties: Any, number: int, row: list[str], headings: Mapping[str, int]
) -> Iterator[Fault]:
    if properties is None:
        return
    if not isinstance(properties, dict):
        yield Fault(number, None, "properties as an object", _kind(properties))
        return
    for key, value in properties.items():
        column = headings[plain(key)]
        if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
            row[column] = "; ".join(_scalar(item) for item in value)
        elif isinstance(value, dict | list):
            yield Fault(number, column, "text, a number or a list of texts", clip(_dump(value)))
        else:
            row[column] = _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(str(value))


def _kind(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return f"type {clip(_dump(value['type']))}"
    return {dict: "an object without type", list: "a list", type(None): "nothing"}.get(
        type(value), clip(_dump(value))
    )


def _dump(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "a value nested too deep"
