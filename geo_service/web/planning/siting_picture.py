"""The map of proposed places as a picture, for pages without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import numpy as np
import shapely

from geo_service.coverage.terrain import to_metres
from geo_service.schema import KEY_COLUMN
from geo_service.web.planning.pictures import metric_shapes
from geo_service.web.planning.query import LEVEL_OF_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from geo_service.web.planning.sites import SiteFigures
    from geo_service.web.site import View

    Floats = NDArray[np.float64]

__all__ = ["draw_sites"]

_WIDTH: Final = 1000
"""Units across; the height follows from the land."""

_MARGIN: Final = 0.04


def draw_sites(
    view: View, figures: SiteFigures, places: Iterable[tuple[float, float, int]]
) -> bytes:
    """Draw Kreise, municipalities newly reached, places there are and numbered proposals.

    Parameters
    ----------
    view
        The revision that the figures are of.
    figures
        The answer.
    places
        Where the places stand that there are: longitude and latitude (EPSG:4326), 1 if rough.
    """
    keys = set(view.snapshot.territory.municipalities[KEY_COLUMN["kreis"]])
    kreise = metric_shapes(view, "kreis", sorted(keys))
    frame = _Frame.around(_bounds(view, figures, kreise))
    reached = {origin.ags for row in figures.rows for origin in row.origins}
    known = [*places]
    at = frame.points((lon, lat) for lon, lat, _ in known)
    dots = [(x, y, bool(rough)) for (x, y), (_, _, rough) in zip(at, known, strict=True)]
    spots = [(row.lon, row.lat) for row in figures.rows]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {frame.height}"'
        ' font-family="sans-serif" font-size="20" font-weight="700" text-anchor="middle">',
        "<title>Karte der Vorschläge</title>",
        f'<rect width="{_WIDTH}" height="{frame.height}" fill="#e9ecea"/>',
        f'<path d="{frame.path(kreise)}" fill="#fbfaf6" stroke="#8b8474" stroke-width="1.5"/>',
        f'<path d="{frame.path(metric_shapes(view, "gemeinde", sorted(reached)))}" fill="#f2b134"'
        ' stroke="#6b6b6b" stroke-width="0.7"/>',
        *(_dot(x, y, is_rough=is_rough) for x, y, is_rough in dots),
    ]
    numbered = [*zip(figures.rows, frame.points(spots), strict=True)]
    for row, (x, y) in reversed(numbered):
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="16" fill="#8f1d2c" stroke="#ffffff" stroke-width="3"/>'
            f'<text x="{x}" y="{y + 7:g}" fill="#ffffff">{row.number}</text>'
        )
    note = escape(view.border_note)
    parts.append(
        f'<text x="8" y="{frame.height - 8}" fill="#4c5a63" font-size="14" font-weight="400"'
        f' text-anchor="start">{note}</text></svg>'
    )
    return "".join(parts).encode()


def _dot(x: int, y: int, *, is_rough: bool) -> str:
    fill, stroke = ("#ffffff", "#17242d") if is_rough else ("#17242d", "#ffffff")
    return f'<circle cx="{x}" cy="{y}" r="4" fill="{fill}" stroke="{stroke}"/>'


class _Frame:
    """From metres (EPSG:25832) to whole units of the picture, y downwards."""

    def __init__(self, west: float, north: float, scale: float, height: int) -> None:
        self._origin, self._scale, self.height = np.array([west, north]), scale, height

    @classmethod
    def around(cls, bounds: tuple[float, float, float, float]) -> _Frame:
        west, south, east, north = bounds
        margin = _MARGIN * max(east - west, north - south)
        west, south, east, north = west - margin, south - margin, east + margin, north + margin
        scale = _WIDTH / (east - west)
        return cls(west, north, scale, round((north - south) * scale))

    def to_units(self, xy_m: Floats) -> NDArray[np.int64]:
        """Return points in units."""
        units = (xy_m - self._origin) * np.array([self._scale, -self._scale])
        return np.asarray(np.rint(units), dtype=np.int64)

    def points(self, lon_lat: Iterable[tuple[float, float]]) -> Iterator[tuple[int, int]]:
        """Give points of degrees (EPSG:4326) in units."""
        degrees = np.array([*lon_lat], dtype=np.float64).reshape(-1, 2)
        yield from map(tuple, self.to_units(to_metres(degrees[:, 0], degrees[:, 1])).tolist())

    def path(self, shapes: NDArray[np.object_]) -> str:
        """Write the rings of shapes as one path."""
        if not len(shapes):
            return ""
        return "".join(map(self._ring, shapely.get_rings(shapely.get_parts(shapes))))

    def _ring(self, ring: shapely.Geometry) -> str:
        units = self.to_units(shapely.get_coordinates(ring))
        moved = np.any(np.diff(units, axis=0, prepend=units[:1] - 1) != 0, axis=1)
        inside = (units >= -_WIDTH) & (units <= 2 * _WIDTH)
        if not bool(inside.all(axis=1).any()):
            return ""
        return "M" + " ".join(f"{x},{y}" for x, y in units[moved].tolist()) + "Z"


def _bounds(
    view: View, figures: SiteFigures, kreise: NDArray[np.object_]
) -> tuple[float, float, float, float]:
    area = figures.choice.base.area
    shapes = metric_shapes(view, LEVEL_OF_LENGTH[len(area)], [area]) if area else kreise
    west, south, east, north = shapely.total_bounds(shapes).tolist()
    return west, south, east, north
