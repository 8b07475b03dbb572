"""The interface for programs, ``/api/v1``: places near a point as GeoJSON.

docs/api.md describes it for those who use it. Features are written once per revision; a
request joins those that it asks for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from flask import Blueprint, request
from pyproj import Transformer
from scipy.spatial import cKDTree

from geo_service.schema import METRIC_CRS, PUBLIC_COLUMNS, WGS84, to_geojson
from geo_service.web.answers import Body, answer
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Response
    from werkzeug.datastructures import MultiDict

    from geo_service.schema import Initiatives
    from geo_service.snapshot import Snapshot

__all__ = ["MAX_LIMIT", "Near", "NearIndex", "ParameterError", "api", "read_near"]

api = Blueprint("api", __name__, url_prefix="/api/v1")

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
MAX_RADIUS_M: Final = 200_000
BOX: Final = (0.0, 45.0, 16.0, 56.0)
"""West, south, east, north (EPSG:4326) of the points that may be asked about: in it lengths
in EPSG:25832 are right to 0.5 %, and in the Land to 0.1 %."""

_PRIVATE: Final = "private, no-cache"
_DEGREES: Final = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,15})?", re.ASCII)
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_MOST_ECHOED: Final = 100
_TO_METRIC: Final = Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)


class ParameterError(ValueError):
    """A parameter that cannot be read: which, what was expected and what came."""

    def __init__(self, parameter: str, expected: str, got: str | None) -> None:
        self.parameter = parameter
        self.expected = expected
        self.got = got if got is None else got[:_MOST_ECHOED]
        super().__init__(f"{parameter}: expected {expected}, got {_quoted(self.got)}")


def _quoted(text: str | None) -> str:
    return "nothing" if text is None else f"'{text}'"


# -------------------------------------------------------------------------- parameters


@dataclass(frozen=True, slots=True)
class Near:
    """A question: at most `limit` places around a point (EPSG:4326), nearest first."""

    lon: float
    lat: float
    radius_m: float = float("inf")
    limit: int = DEFAULT_LIMIT


def read_near(args: MultiDict[str, str]) -> Near:
    """Read the parameters of a question.

    Raises
    ------
    ParameterError
        If one is missing, unknown, given twice or out of its range.
    """
    for name in args:
        if name not in {"near", "radius_m", "limit"}:
            raise ParameterError(name[:_MOST_ECHOED], "one of near, radius_m, limit", name)
        if len(args.getlist(name)) > 1:
            raise ParameterError(name, "one value", ", ".join(args.getlist(name)))
    lon, lat = _read_point(args.get("near"))
    radius_m = _read_count(args, "radius_m", MAX_RADIUS_M)
    limit = _read_count(args, "limit", MAX_LIMIT) or DEFAULT_LIMIT
    return Near(lon, lat, float(radius_m or "inf"), limit)


def _read_point(text: str | None) -> tuple[float, float]:
    west, south, east, north = BOX
    parts = (text or "").split(",")
    if len(parts) == 2 and all(map(_DEGREES.fullmatch, parts)):
        lon, lat = map(float, parts)
        if west <= lon <= east and south <= lat <= north:
            return lon, lat
    expected = (
        f"lon,lat in degrees (EPSG:4326), lon {west:g} to {east:g}, lat {south:g} to {north:g}"
    )
    raise ParameterError("near", expected, text)


def _read_count(args: MultiDict[str, str], name: str, most: int) -> int | None:
    text = args.get(name)
    if text is None:
        return None
    if not _COUNT.fullmatch(text) or int(text) > most:
        raise ParameterError(name, f"a whole number from 1 to {most}", text)
    return int(text)


# ------------------------------------------------------------------------------- index


class NearIndex:
    """The places of one revision that have a point: by distance, and as written features.

    Places that share a point come in the order of their ids.
    """

    def __init__(self, initiatives: Initiatives) -> None:
        placed = initiatives[initiatives.geometry.notna()].sort_values("id")
        self._features = list(_features(placed))
        x_m, y_m = _TO_METRIC.transform(placed.geometry.x, placed.geometry.y)
        xy_m = np.column_stack([x_m, y_m]).reshape(-1, 2)
        points, point_of = np.unique(xy_m, axis=0, return_inverse=True)
        self._at: list[list[int]] = [[] for _ in points]
        for number, point in enumerate(point_of.ravel().tolist()):
            self._at[point].append(number)
        self._tree = cKDTree(points) if len(points) else None

    @property
    def content(self) -> bytes:
        """Return all features, to tell one edition from another."""
        return b",".join(self._features)

    def find(self, near: Near) -> bytes:
        """Return the features of the answer, nearest first, joined by commas."""
        found = (
            b"%s%d}}" % (self._features[number], round(distance_m))
            for distance_m, point in self._points(near)
            for number in self._at[point]
        )
        return b",".join(islice(found, near.limit))

    def _points(self, near: Near) -> Iterator[tuple[float, int]]:
        """Give the nearest points that hold places: metres and number."""
        if self._tree is None:
            return iter(())
        at = _TO_METRIC.transform(near.lon, near.lat)
        metres, points = self._tree.query(at, k=[*range(1, min(near.limit, self._tree.n) + 1)])
        nearest = zip(metres.tolist(), points.tolist(), strict=True)
        return ((length, point) for length, point in nearest if length <= near.radius_m)


def _features(initiatives: Initiatives) -> Iterator[bytes]:
    """Write every row as a feature that lacks only its distance and two closing braces."""
    collection = json.loads(to_geojson(initiatives, columns=PUBLIC_COLUMNS))
    for feature in collection["features"]:
        properties = feature["properties"]
        whole = {
            "type": "Feature",
            "id": properties["id"],
            "geometry": feature["geometry"],
            "properties": properties | {"distance_m": 0},
        }
        yield _json(whole).removesuffix(b"0}}")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class _Edition:
    """What the answers of one revision are made of; `mark` changes with any byte of it."""

    index: NearIndex
    head: bytes
    mark: bytes


def _edition(snapshot: Snapshot) -> _Edition:
    index = NearIndex(snapshot.initiatives)
    notes = _json("\n".join(snapshot.source_notes))
    head = b'{"type":"FeatureCollection","revision":%d,"attribution":%s,"features":[' % (
        snapshot.revision,
        notes,
    )
    return _Edition(index, head, blake2b(head + index.content, digest_size=12).digest())


@dataclass(frozen=True)
class _Answer(Body):
    """A body whose tag follows from edition and question, so that none is hashed whole."""

    said: bytes = b""

    @cached_property
    def tag(self) -> str:
        """Return an entity tag that changes with the revision, its content or the question."""
        return f"r{self.revision}-{blake2b(self.said, digest_size=12).hexdigest()}"


# ----------------------------------------------------------------------------- answers


@api.get("/initiatives")
def initiatives() -> Response:
    """Give the places nearest to a point."""
    snapshot = the_site().view().snapshot
    try:
        near = read_near(request.args)
    except ParameterError as error:
        return _problem(error)
    edition = snapshot.derive(("api edition",), partial(_edition, snapshot))
    content = b"%s%s]}" % (edition.head, edition.index.find(near))
    said = b"%s%r" % (edition.mark, near)
    body = _Answer(content, "application/geo+json", snapshot.revision, quality=4, said=said)
    return answer(body, cache=_PRIVATE)


def _problem(error: ParameterError) -> Response:
    problem = {
        "type": "about:blank",
        "title": HTTPStatus.BAD_REQUEST.phrase,
        "status": 400,
        "detail": str(error),
        "parameter": error.parameter,
        "expected": error.expected,
        "got": error.got,
    }
    body = Body(_json(problem), "application/problem+json")
    return answer(body, cache="no-store", status=400)


@api.after_request
def _open_to_all(response: Response) -> Response:
    """Let pages of other sites read the answers; they carry no cookie and need none."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "ETag"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
