"""The small map and the QR code of a handout, as SVG that a web page shows as well.

The only texts in them are numbers, names of towns and the scale.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import segno

from geo_service.writing import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geo_service.handout.paper import Ground, HandoutPlace, Outline, Point, Town, Words

__all__ = ["draw_map", "draw_mark", "draw_qr"]

WIDTH: Final = 1800.0
"""Width of the map in its own units: ten to a millimetre of paper."""

_HEIGHTS: Final = (780.0, 1_180.0)
"""Least and greatest height of the map; a Land that is long from north to south needs more."""

_PILL: Final = 44.0
_DIGIT: Final = 17.0
_GAP: Final = 5.0
_TOGETHER: Final = 16.0
_LEAST_M: Final = 3_000.0
_LEAST_ROUGH_M: Final = 12_000.0
_DETAIL_M: Final = 60_000.0
_METRES_PER_DEGREE: Final = 111_195.0
"""Of latitude on a sphere of 6,371 km: good for a drawing, not for measuring."""

_INK: Final = "#1a1a1a"
_FONT: Final = 'font-family="Noto Sans, Noto Sans Arabic, sans-serif"'
_STEPS_M: Final = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_MOST_TOWNS: Final = 16

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in units of the map."""


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of the earth that the map shows, and where on the paper it lies."""

    west: float
    north: float
    units_per_m: float
    metres_per_lon: float
    height: float

    def at(self, point: Point) -> tuple[float, float]:
        """Return where `point` lies on the map."""
        x_m = (point[0] - self.west) * self.metres_per_lon
        y_m = (self.north - point[1]) * _METRES_PER_DEGREE
        return x_m * self.units_per_m, y_m * self.units_per_m

    @property
    def width_m(self) -> float:
        return WIDTH / self.units_per_m

    def meets(self, box: tuple[float, float, float, float]) -> bool:
        """Tell whether a box of degrees reaches into the map."""
        left, bottom = self.at((box[0], box[1]))
        right, top = self.at((box[2], box[3]))
        return right >= 0 and left <= WIDTH and bottom >= 0 and top <= self.height


@dataclass(slots=True)
class _Spot:
    """The numbers of one spot; `pill` is the centre of the label that shows them."""

    x: float
    y: float
    numbers: list[int]
    rough: bool
    words: Words
    pill: tuple[float, float] = (0.0, 0.0)

    @property
    def label(self) -> str:
        return _ranges(self.numbers, self.words)

    @property
    def width(self) -> float:
        return max(_PILL, len(self.label.strip("\u2067\u2069")) * _DIGIT + 26)

    def box(self, x: float, y: float) -> Box:
        half, high = self.width / 2 + _GAP, _PILL / 2 + _GAP
        return (x - half, y - high, x + half, y + high)


def draw_map(
    places: Sequence[HandoutPlace], ground: Ground, words: Words, *, here: Point | None = None
) -> str | None:
    """Draw the places that have a point as SVG; None where there is no point at all.

    Places at the same spot share a label such as ``3–7``. A label that finds no room at its
    spot stands beside it, with a line to it. The only texts are numbers, names of towns and
    the scale.
    """
    points = [place.point for place in places if place.point is not None]
    if not points:
        return None
    exact = any(place.point is not None and not place.rough for place in places)
    window = _window([*points, here] if here else points, _LEAST_M if exact else _LEAST_ROUGH_M)
    spots = _spots(places, window, words)
    taken = _arrange(spots, window.height, _kept_free(window, here))
    parts = [
        *_draw_ground(ground, window),
        *_draw_towns(ground.towns, window, taken),
        *([_draw_here(window.at(here))] if here else []),
        *(_draw_leader(spot) for spot in spots if spot.pill != (spot.x, spot.y)),
        *(_draw_spot(spot) for spot in spots),
        _draw_scale(window, words),
        f'<rect x="1.5" y="1.5" width="{WIDTH - 3:g}" height="{window.height - 3:g}" fill="none"'
        ' stroke="#8c8c8c" stroke-width="3"/>',
    ]
    return _svg(WIDTH, window.height, "".join(parts))


def draw_mark(kind: Literal["exact", "rough", "here"], words: Words) -> str:
    """Draw a mark of the map for its legend, as SVG."""
    if kind == "here":
        return _svg(52, 52, _draw_here((26, 26)))
    return _svg(52, 52, _draw_pill((26, 26), 44, words.number(1), rough=kind == "rough"))


def _svg(width: float, height: float, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' {_FONT} direction="ltr">{content}</svg>'
    )


def _window(points: Sequence[Point], least_m: float) -> _Window:
    """Frame `points` with room around them, `least_m` from north to south or more."""
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    lon, lat = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    metres_per_lon = _METRES_PER_DEGREE * math.cos(math.radians(lat))
    low, high = _HEIGHTS
    width_m = max((max(lons) - min(lons)) * metres_per_lon * 1.16, least_m * WIDTH / low)
    height_m = max((max(lats) - min(lats)) * _METRES_PER_DEGREE * 1.2, least_m)
    height = round(min(max(low, WIDTH * height_m / width_m), high))
    scale = min(WIDTH / width_m, height / height_m)
    west = lon - WIDTH / scale / 2 / metres_per_lon
    north = lat + height / scale / 2 / _METRES_PER_DEGREE
    return _Window(west, north, scale, metres_per_lon, height)


def _spots(places: Sequence[HandoutPlace], window: _Window, words: Words) -> list[_Spot]:
    """Return the spots of the map in the order of their first number."""
    spots: list[_Spot] = []
    for place in places:
        if place.point is None:
            continue
        x, y = window.at(place.point)
        near = [s for s in spots if math.hypot(s.x - x, s.y - y) <= _TOGETHER]
        if near:
            near[0].numbers.append(place.number)
            near[0].rough = near[0].rough and place.rough
        else:
            spots.append(_Spot(x, y, [place.number], place.rough, words))
    return spots


def _ranges(numbers: Sequence[int], words: Words) -> str:
    """Write numbers as ranges: "3–5, 9"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return words.aside(", ".join(_range(run, words) for run in runs))


def _range(run: Sequence[int], words: Words) -> str:
    written = [words.number(number) for number in run]
    return f"{written[0]}–{written[-1]}" if len(run) > 2 else ", ".join(written)


def _kept_free(window: _Window, here: Point | None) -> list[Box]:
    """Return the boxes of the scale and of the mark where distances count from."""
    scale = (20.0, window.height - 70, 440.0, window.height)
    if here is None:
        return [scale]
    x, y = window.at(here)
    return [scale, (x - 22, y - 22, x + 22, y + 22)]


def _arrange(spots: Sequence[_Spot], height: float, kept_free: Sequence[Box]) -> list[Box]:
    """Give every spot a place for its label; return the boxes that are taken then."""
    taken = [*kept_free]
    for spot in spots:
        choices = [(x, y, spot.box(x, y)) for x, y in _seats(spot)]
        inside = [choice for choice in choices if _inside(choice[2], height)] or choices[:1]
        free = [choice for choice in inside if not any(_overlap(choice[2], b) for b in taken)]
        x, y, box = free[0] if free else min(inside, key=lambda c: _covered(c[2], taken))
        spot.pill = (x, y)
        taken.append(box)
    return taken


def _seats(spot: _Spot) -> list[tuple[float, float]]:
    """Return where the label of `spot` may stand, best first: on it, then further away."""
    half, high = spot.width / 2, _PILL / 2
    seats = [(spot.x, spot.y)]
    for ring in range(1, 9):
        away_x, away_y = half + 22.0 * ring, high + 22.0 * ring
        turns = range(8 + 4 * ring)
        angles = [math.tau * (turn / len(turns)) - math.pi / 4 for turn in turns]
        seats += [
            (round(spot.x + math.cos(a) * away_x, 1), round(spot.y + math.sin(a) * away_y, 1))
            for a in angles
        ]
    return seats


def _inside(box: Box, height: float) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= height


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _covered(box: Box, taken: Iterable[Box]) -> float:
    """Return how much of `box` lies on boxes that are taken."""
    return sum(
        max(0.0, min(box[2], b[2]) - max(box[0], b[0]))
        * max(0.0, min(box[3], b[3]) - max(box[1], b[1]))
        for b in taken
    )


def _draw_ground(ground: Ground, window: _Window) -> list[str]:
    parts = [f'<rect width="{WIDTH:g}" height="{window.height:g}" fill="#ececec"/>']
    kreise = _paths(ground.kreise, window)
    parts.append(f'<path d="{kreise}" fill="#ffffff" fill-rule="evenodd"/>')
    if window.width_m <= _DETAIL_M:
        fine = _paths(ground.municipalities, window)
        parts.append(f'<path d="{fine}" fill="none" stroke="#c9c9c9" stroke-width="2"/>')
    parts.append(f'<path d="{kreise}" fill="none" stroke="#8c8c8c" stroke-width="3"/>')
    return parts


def _paths(outlines: Iterable[Outline], window: _Window) -> str:
    return "".join(_path(ring, window) for ring in outlines if window.meets(ring.box))


def _path(ring: Outline, window: _Window) -> str:
    """Return a ring as a path; steps too small to be seen are left out."""
    steps: list[str] = []
    last_x = last_y = math.inf
    for point in ring.points:
        x, y = window.at(point)
        if abs(x - last_x) + abs(y - last_y) >= 4:
            steps.append(f"{x:.0f} {y:.0f}")
            last_x, last_y = x, y
    return f"M{'L'.join(steps)}Z" if len(steps) > 2 else ""


def _draw_towns(towns: Iterable[Town], window: _Window, taken: list[Box]) -> list[str]:
    """Write the names of the largest towns that find room."""
    parts: list[str] = []
    boxes = [*taken]
    for town in towns:
        x, seat = window.at(town.point)
        half = len(town.name) * 7.6
        lines = [(x - half, y - 17, x + half, y + 17) for y in (seat, seat + 46, seat - 46)]
        free = [
            b for b in lines if _inside(b, window.height) and not any(_overlap(b, o) for o in boxes)
        ]
        if not free:
            continue
        box = free[0]
        y = (box[1] + box[3]) / 2
        boxes.append((box[0] - 90, box[1] - 45, box[2] + 90, box[3] + 45))
        parts.append(
            f'<text x="{x:.0f}" y="{y + 9:.0f}" font-size="26" text-anchor="middle"'
            f' fill="#595959" stroke="#ffffff" stroke-width="6" stroke-linejoin="round"'
            f' paint-order="stroke">{escape(plain(town.name, 40))}</text>'
        )
        if len(parts) == _MOST_TOWNS:
            break
    return parts


def _draw_here(at: tuple[float, float]) -> str:
    x, y = at
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="15" fill="#ffffff" stroke="{_INK}"'
        f' stroke-width="4"/><circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{_INK}"/>'
    )


def _draw_leader(spot: _Spot) -> str:
    x, y = spot.pill
    return (
        f'<path d="M{spot.x:.1f} {spot.y:.1f}L{x:.1f} {y:.1f}" stroke="{_INK}"'
        f' stroke-width="2.5"/><circle cx="{spot.x:.1f}" cy="{spot.y:.1f}" r="6"'
        f' fill="{_INK}" stroke="#ffffff" stroke-width="2"/>'
    )


def _draw_spot(spot: _Spot) -> str:
    return _draw_pill(spot.pill, spot.width, spot.label, rough=spot.rough)


def _draw_pill(at: tuple[float, float], width: float, label: str, *, rough: bool) -> str:
    x, y = at
    fill, ink = ("#ffffff", _INK) if rough else (_INK, "#ffffff")
    edge = (
        f'stroke="{_INK}" stroke-width="3.5" stroke-dasharray="7 4.5"'
        if rough
        else ('stroke="#ffffff" stroke-width="2.5"')
    )
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - _PILL / 2:.1f}" width="{width:.1f}"'
        f' height="{_PILL:g}" rx="{_PILL / 2:g}" fill="{fill}" {edge}/>'
        f'<text x="{x:.1f}" y="{y + 10:.1f}" font-size="28" font-weight="700"'
        f' text-anchor="middle" fill="{ink}">{label}</text>'
    )


def _draw_scale(window: _Window, words: Words) -> str:
    fitting = [step for step in _STEPS_M if step * window.units_per_m <= 320]
    length_m = fitting[-1] if fitting else _STEPS_M[0]
    pattern, count = (
        (words.kilometres, length_m // 1000) if length_m >= 1000 else (words.metres, length_m)
    )
    length = length_m * window.units_per_m
    line = f"M30 {window.height - 40:g}v14h{length:.0f}v-14"
    label = escape(words.aside(pattern.replace("{n}", words.number(count))))
    return (
        f'<path d="{line}" fill="none" stroke="#ffffff" stroke-width="9"/>'
        f'<path d="{line}" fill="none" stroke="{_INK}" stroke-width="3"/>'
        f'<text x="{length + 44:.0f}" y="{window.height - 24:g}" font-size="24" fill="{_INK}"'
        f' stroke="#ffffff" stroke-width="6" paint-order="stroke">{label}</text>'
    )


_LONGEST_QR: Final = 600


def draw_qr(url: str) -> str | None:
    """Draw the QR code of `url` as SVG, None where the address is too long to be read well."""
    if len(url.encode()) > _LONGEST_QR:
        return None
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, nl=False, omitsize=True, border=1,
        svgclass=None, lineclass=None,
    )  # fmt: skip
    return out.getvalue().decode()
