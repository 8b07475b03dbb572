"""A choropleth as a picture: PNG or SVG with title, legend, scale bar and sources.

matplotlib is loaded with the first picture. No text is ever read as a formula, no window
system or font cache of the machine has a say, and the same picture gives the same bytes.
"""

from __future__ import annotations

import functools
import io
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, get_args

import numpy as np
import shapely

from geo_service.errors import QueryError
from geo_service.formats import german_number
from geo_service.writing import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.font_manager import FontProperties
    from numpy.typing import NDArray

    Shapes = NDArray[np.object_]

__all__ = [
    "IMAGE_KINDS",
    "SHEETS",
    "ImageKind",
    "LegendClass",
    "MapPicture",
    "Overlay",
    "draw_choropleth",
]

ImageKind: TypeAlias = Literal["png", "svg"]
IMAGE_KINDS: Final[tuple[ImageKind, ...]] = get_args(ImageKind)

_FONTS: Final = Path(__file__).resolve().parent / "fonts"
_FAMILIES: Final = ("Noto Sans", "Noto Sans Arabic", "DejaVu Sans")
_INK: Final = "#17242d"
_MUTED: Final = "#4c5a63"
_BORDER: Final = "#0c0c0c"
_FRAME: Final = "#8c979d"
_SALT: Final = "geo-service"
_POINTS_PER_MM: Final = 72 / 25.4
_MOST_NAMES: Final = 60
_STEPS_KM: Final = (0.5, 1, 2, 5, 10, 20, 50, 100)
_ONE_AT_A_TIME: Final = threading.Lock()
"""matplotlib keeps state of its own, and one picture fills a processor anyway."""


@dataclass(frozen=True, slots=True)
class LegendClass:
    """A class: its colour (``#rrggbb``), what it holds, and how many areas it has."""

    label: str
    colour: str
    count: int


@dataclass(frozen=True, slots=True)
class Overlay:
    """A hatching over the areas of `members`, on `ground` or on their colour if None."""

    label: str
    pattern: Literal["lines", "dots"]
    ink: str
    ground: str | None
    members: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MapPicture:
    """What a picture shows; texts are German and may come from anybody.

    Parameters
    ----------
    title, subtitle
        What is shown, and of which choice.
    shapes
        Polygons of the areas in EPSG:25832.
    names
        Their names; written on the map where they are few enough and find room.
    index
        Number of each area's class in `classes`, -1 for none.
    classes
        In the order of the legend.
    overlays
        Hatchings, in the order of the legend.
    outlines
        Polygons of a coarser level in EPSG:25832, drawn as stronger lines.
    legend_title, method
        Indicator with its unit, and how the classes were made.
    notes
        Sources, and the date of the figures.
    spots
        Places to point out, in metres (EPSG:25832); `spots_label` is what the legend says.
    """

    title: str
    subtitle: str
    shapes: Shapes
    names: Sequence[str]
    index: NDArray[np.signedinteger[Any]]
    classes: Sequence[LegendClass]
    overlays: Sequence[Overlay]
    outlines: Shapes
    legend_title: str
    method: str
    notes: Sequence[str]
    spots: Sequence[tuple[float, float]] = ()
    spots_label: str = ""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A size of picture, in millimetres; `dpi` is that of PNG."""

    width: float
    height: float
    dpi: int
    legend_below: bool
    framed: bool = True
    """Whether title and sources are on it; else the page around it has them."""


SHEETS: Final[Mapping[str, _Sheet]] = {
    "a4": _Sheet(210, 297, 200, legend_below=True),
    "bildschirm": _Sheet(271, 180, 150, legend_below=False),
    "bericht": _Sheet(176, 138, 150, legend_below=False, framed=False),
}
"""A4 upright, a slide or screen (1,600 pixels wide), and the map in a report."""


def draw_choropleth(picture: MapPicture, *, kind: ImageKind, sheet: str = "a4") -> bytes:
    """Draw a choropleth; the same picture gives the same bytes.

    One is drawn at a time in each process; others wait.

    Raises
    ------
    QueryError
        If there is no such kind or sheet.
    """
    if kind not in IMAGE_KINDS:
        raise QueryError(f"kind: expected one of {', '.join(IMAGE_KINDS)}, got {kind!r}")
    if sheet not in SHEETS:
        raise QueryError(f"sheet: expected one of {', '.join(SHEETS)}, got {sheet!r}")
    with _ONE_AT_A_TIME:
        drawing = _Drawing(picture, SHEETS[sheet])
        return drawing.render(kind)


@functools.cache
def _load_library() -> None:
    """Load matplotlib with its own defaults and our fonts, and nothing of the user's."""
    import matplotlib as library
    from matplotlib import font_manager

    library.rcdefaults()
    library.rcParams.update(
        {
            "svg.hashsalt": _SALT,
            "svg.fonttype": "path",
            "hatch.linewidth": 0.5,
            "text.parse_math": False,
            "text.usetex": False,
        }
    )
    for path in sorted(_FONTS.rglob("*.ttf")):
        font_manager.fontManager.addfont(path)


class _Drawing:
    """A picture on its sheet; every length is in millimetres from the lower left corner."""

    _MARGIN: ClassVar = 12.0
    _ROW: ClassVar = 6.2
    _LINE: ClassVar = 3.9
    _SWATCH: ClassVar = (8.5, 4.6)

    def __init__(self, picture: MapPicture, sheet: _Sheet) -> None:
        _load_library()
        from matplotlib.figure import Figure

        self.picture, self.sheet = picture, sheet
        size = [round(length * _POINTS_PER_MM) for length in (sheet.width, sheet.height)]
        self.figure: Figure = Figure(
            figsize=(size[0] / 72, size[1] / 72), dpi=sheet.dpi, facecolor="white"
        )
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(0, size[0] / _POINTS_PER_MM)
        self.axes.set_ylim(0, size[1] / _POINTS_PER_MM)
        self._lay_out()

    def render(self, kind: ImageKind) -> bytes:
        """Return the picture as a file."""
        title = _fit(self.picture.title, 200)
        about: dict[str, Any] = {"Title": title, "Creator": None, "Date": None}
        if kind == "png":
            about = {"Title": title, "Software": None}
        result = io.BytesIO()
        self.figure.savefig(result, format=kind, dpi=self.sheet.dpi, metadata=about)
        content = result.getvalue()
        # matplotlib writes every text a second time, as a comment beside its letters.
        return _COMMENT.sub(b"", content) if kind == "svg" else content

    # ----------------------------------------------------------------------------- layout

    def _lay_out(self) -> None:
        """Put head, foot, legend and map where they belong; the map has what is left."""
        sheet, margin = self.sheet, self._MARGIN if self.sheet.framed else 1.0
        bottom, top = margin, sheet.height - margin
        left, right = margin, sheet.width - margin
        if sheet.framed:
            top = self._draw_head(left, top, right - left)
            bottom = self._draw_foot(left, bottom, right - left)
        if sheet.legend_below:
            half = (right - left) / 2
            above = bottom + self._legend_height(half)
            y = self._draw_legend_head(left, above, right - left)
            self._draw_classes(left, y, half - 6)
            rest = self._draw_overlays(left + half, y, half)
            self._draw_map((left, above + 5, right, top), scale_at=(left + half, rest - 4))
        else:
            width = 76.0 if sheet.framed else 70.0
            x = right - width
            y = self._draw_legend_head(x, top, width)
            y = self._draw_classes(x, y, width)
            y = self._draw_overlays(x, y - 3, width)
            self._draw_map((left, bottom, x - 6, top), scale_at=(x, y - 6))

    def _legend_height(self, half: float) -> float:
        """Return how high head and rows of the legend are, in two columns `half` wide."""
        classes = [(entry.label, entry.count, half - 6) for entry in self.picture.classes]
        overlays = [(one.label, int(one.members.sum()), half) for one in self.picture.overlays]
        heights = (
            sum(self._row_height(self._entry_lines(*entry)) for entry in entries)
            for entries in (classes, overlays)
        )
        left, right = heights
        return 13 + max(left, right + self._ROW * (bool(self.picture.spots) + 1))

    def _row_height(self, lines: Sequence[str]) -> float:
        return self._ROW + self._LINE * (len(lines) - 1)

    def _entry_lines(self, label: str, count: int, width: float) -> list[str]:
        """Return a label of the legend in the lines that fit beside its number of areas."""
        room = width - self._SWATCH[0] - 4.5 - self._width(_areas(count), 8.5)
        return self._wrapped(_fit(label, 80), 8.5, room, False, 3)

    def _draw_head(self, x: float, y: float, width: float) -> float:
        y = self._write(x, y, self.picture.title, 15, width, bold=True, lines=2)
        return self._write(x, y - 0.5, self.picture.subtitle, 9.5, width, colour=_MUTED) - 4

    def _draw_foot(self, x: float, y: float, width: float) -> float:
        """Write the sources upward from `y` and return where they end."""
        size, step = 6.5, 3.1
        lines = self._wrapped(" · ".join(self.picture.notes), size, width, False, 12)
        for number, line in enumerate(reversed(lines)):
            self._text(x, y + number * step, line, size, colour=_MUTED)
        return y + len(lines) * step + 4

    def _draw_legend_head(self, x: float, y: float, width: float) -> float:
        y = self._write(x, y, self.picture.legend_title, 9.5, width, bold=True, lines=3)
        return self._write(x, y, self.picture.method, 8, width, colour=_MUTED, lines=2) - 2

    def _draw_classes(self, x: float, y: float, width: float) -> float:
        for entry in self.picture.classes:
            y = self._draw_entry(x, y, entry.label, entry.count, width, facecolor=entry.colour)
        return y

    def _draw_overlays(self, x: float, y: float, width: float) -> float:
        for entry in self.picture.overlays:
            count = int(entry.members.sum())
            style = {
                "facecolor": entry.ground or "white",
                "edgecolor": entry.ink,
                "hatch": _HATCH[entry.pattern],
                "linewidth": 0,
            }
            y = self._draw_entry(x, y, entry.label, count, width, **style)
        if self.picture.spots:
            wide, _ = self._SWATCH
            self._draw_spots([(x + wide / 2, y - 2.3)])
            self._text(x + wide + 2.5, y - 3.4, _fit(self.picture.spots_label, 60), 8.5)
            y -= self._ROW
        return y

    def _draw_entry(
        self, x: float, y: float, label: str, count: int, width: float, **style: Any
    ) -> float:
        """Draw a row of the legend: its swatch, what it means and how many areas it has."""
        from matplotlib.patches import Rectangle

        wide, high = self._SWATCH
        self.axes.add_patch(Rectangle((x, y - high), wide, high, **style))
        edge = Rectangle((x, y - high), wide, high, fill=False, edgecolor=_BORDER, linewidth=0.6)
        self.axes.add_patch(edge)
        lines = self._entry_lines(label, count, width)
        for number, line in enumerate(lines):
            self._text(x + wide + 2.5, y - 3.4 - number * self._LINE, line, 8.5)
        self._text(x + width, y - 3.4, _areas(count), 8.5, colour=_MUTED, align="right")
        return y - self._row_height(lines)

    # -------------------------------------------------------------------------------- map

    def _draw_map(
        self, frame: tuple[float, float, float, float], scale_at: tuple[float, float]
    ) -> None:
        """Draw the areas into `frame` (left, bottom, right, top) and the scale at its place."""
        window = _Window.around(self.picture.shapes, frame)
        paths = [window.path(shape) for shape in self.picture.shapes]
        fills = [entry.colour for entry in self.picture.classes]
        colours = [fills[number] if number >= 0 else "white" for number in self.picture.index]
        fine = 0.25 if len(paths) > 400 else 0.45
        self._add(paths, facecolors=colours, edgecolors=_BORDER, linewidths=fine)
        for overlay in self.picture.overlays:
            self._add_hatched(paths, overlay)
        coarse = [window.path(shape) for shape in self.picture.outlines]
        self._add(coarse, facecolors="none", edgecolors=_BORDER, linewidths=1.0)
        self._draw_spots([window.at(spot) for spot in self.picture.spots])
        self._draw_names(window)
        self._draw_scale(*scale_at, window.mm_per_m)

    def _add(self, paths: Sequence[Any], **style: Any) -> None:
        from matplotlib.collections import PathCollection

        if paths:
            self.axes.add_collection(
                PathCollection(paths, joinstyle="round", **style), autolim=False
            )

    def _add_hatched(self, paths: Sequence[Any], overlay: Overlay) -> None:
        from matplotlib.path import Path as Outline

        members = [path for path, chosen in zip(paths, overlay.members, strict=True) if chosen]
        if members:  # as one path, because each path would be given a hatching of its own
            self._add(
                [Outline.make_compound_path(*members)],
                facecolors="none",
                edgecolors=overlay.ink,
                hatch=_HATCH[overlay.pattern],
                linewidths=0,
            )

    def _draw_spots(self, points: Sequence[tuple[float, float]]) -> None:
        if points:
            x, y = zip(*points, strict=True)
            self.axes.scatter(x, y, s=11, c="white", edgecolors=_BORDER, linewidths=1.1, zorder=3)

    def _draw_names(self, window: _Window) -> None:
        """Name the areas, the largest first, where a name overlaps no other."""
        if len(self.picture.shapes) > _MOST_NAMES:
            return
        from matplotlib.patheffects import withStroke

        size = 6.5
        high = size * 1.2 / _POINTS_PER_MM
        taken: list[tuple[float, float, float, float]] = []
        order = np.argsort(-shapely.area(self.picture.shapes), kind="stable")
        points = shapely.point_on_surface(self.picture.shapes)
        for number in order:
            name = _fit(self.picture.names[number], 40)
            x, y = window.at((shapely.get_x(points[number]), shapely.get_y(points[number])))
            half = self._width(name, size) / 2 + 0.6
            box = (x - half, y - high / 2, x + half, y + high / 2)
            if any(_overlap(box, other) for other in taken) or not window.holds(box):
                continue
            taken.append(box)
            text = self._text(x, y, name, size, align="center", middle=True)
            text.set_path_effects([withStroke(linewidth=1.8, foreground="white")])

    def _draw_scale(self, x: float, y: float, mm_per_m: float) -> None:
        """Draw a bar of a round length."""
        fitting = [step for step in _STEPS_KM if step * 1000 * mm_per_m <= _LONGEST_BAR_MM]
        length_km = max(fitting, default=_STEPS_KM[0])
        end = x + length_km * 1000 * mm_per_m
        self.axes.plot([x, x, end, end], [y + 1.4, y, y, y + 1.4], color=_INK, linewidth=1.1)
        text = f"{german_number(length_km, 0 if length_km >= 1 else 1)} km"
        self._text(end + 1.6, y - 0.4, text, 8)

    # ------------------------------------------------------------------------------- text

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        width: float,
        *,
        bold: bool = False,
        colour: str = _INK,
        lines: int = 4,
    ) -> float:
        """Write a paragraph downward from `y` and return where it ends."""
        step = size * 1.32 / _POINTS_PER_MM
        for line in self._wrapped(text, size, width, bold, lines):
            y -= step
            self._text(x, y + step * 0.24, line, size, bold=bold, colour=colour)
        return y

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: str = _INK,
        align: str = "left",
        middle: bool = False,
    ) -> Any:
        return self.axes.text(
            x,
            y,
            text,
            fontproperties=_font(size, bold),
            color=colour,
            horizontalalignment=align,
            verticalalignment="center" if middle else "baseline",
            parse_math=False,
            zorder=4,
        )

    def _wrapped(self, text: str, size: float, width: float, bold: bool, most: int) -> list[str]:
        """Return `text` in at most `most` lines that are `width` long at most."""
        lines: list[str] = []
        words = (
            part for word in _fit(text, 2_000).split() for part in self._parts(word, size, width)
        )
        for word in words:
            joined = f"{lines[-1]} {word}" if lines else word
            if lines and self._width(joined, size, bold) <= width:
                lines[-1] = joined
            else:
                lines.append(word)
        if len(lines) > most:
            lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
        return lines

    def _parts(self, word: str, size: float, width: float) -> list[str]:
        """Return a word, in pieces where it is longer than a line."""
        if len(word) < _SHORT_WORD or self._width(word, size, bold=True) <= width:
            return [word]
        middle = len(word) // 2
        halves = (word[:middle], word[middle:])
        return [part for half in halves for part in self._parts(half, size, width)]

    @staticmethod
    def _width(text: str, size: float, bold: bool = False) -> float:
        from matplotlib.textpath import text_to_path

        wide, _, _ = text_to_path.get_text_width_height_descent(
            text, _font(size, bold), ismath=False
        )
        return float(wide) / _POINTS_PER_MM


_COMMENT: Final = re.compile(rb"\s*<!--.*?-->", re.DOTALL)
_NO_LETTER: Final = "\N{WHITE SQUARE}"
_HATCH: Final = {"lines": "/////", "dots": "...."}
_LONGEST_BAR_MM: Final = 34.0
_SHORT_WORD: Final = 12
"""Letters that any line has room for."""


def _areas(count: int) -> str:
    return f"{german_number(count)} {'Gebiet' if count == 1 else 'Gebiete'}"


def _fit(text: str, limit: int) -> str:
    """Return `text` on one line, with a box for every letter that no font has."""
    letters = _letters()
    return "".join(
        letter if ord(letter) in letters else _NO_LETTER for letter in plain(text, limit)
    )


@functools.cache
def _letters() -> frozenset[int]:
    """Return the letters that there are."""
    from matplotlib import font_manager

    fonts = (
        font_manager.findfont(font_manager.FontProperties(family=family)) for family in _FAMILIES
    )
    return frozenset(code for font in fonts for code in font_manager.get_font(font).get_charmap())


def _font(size: float, bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=_FAMILIES, size=size, weight="bold" if bold else "normal")


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@dataclass(frozen=True, slots=True)
class _Window:
    """Where metres of EPSG:25832 lie on the sheet."""

    west: float
    south: float
    mm_per_m: float
    left: float
    bottom: float
    frame: tuple[float, float, float, float]

    @classmethod
    def around(cls, shapes: Shapes, frame: tuple[float, float, float, float]) -> _Window:
        """Return the window in which `shapes` fill `frame`, in its middle."""
        west, south, east, north = shapely.total_bounds(shapes)
        left, bottom, right, top = frame
        scale = min((right - left) / (east - west), (top - bottom) / (north - south))
        left += (right - left - (east - west) * scale) / 2
        bottom += (top - bottom - (north - south) * scale) / 2
        return cls(west, south, scale, left, bottom, frame)

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        """Return where a point lies."""
        return (
            self.left + (point[0] - self.west) * self.mm_per_m,
            self.bottom + (point[1] - self.south) * self.mm_per_m,
        )

    def holds(self, box: tuple[float, float, float, float]) -> bool:
        """Tell whether a box lies in the frame."""
        left, bottom, right, top = self.frame
        return box[0] >= left and box[1] >= bottom and box[2] <= right and box[3] <= top

    def path(self, shape: shapely.Geometry) -> Any:
        """Return the outline of a polygon with its holes."""
        from matplotlib.path import Path as Outline

        rings = shapely.get_rings(shapely.get_parts(shape))
        points, ring = shapely.get_coordinates(rings, return_index=True)
        codes = np.full(len(points), Outline.LINETO, dtype=Outline.code_type)
        starts = np.flatnonzero(np.diff(ring, prepend=-1))
        codes[starts] = Outline.MOVETO
        codes[np.append(starts[1:], len(points)) - 1] = Outline.CLOSEPOLY
        corner = np.array([self.west, self.south])
        on_sheet = (points - corner) * self.mm_per_m + (self.left, self.bottom)
        # Hundredths of a point, which is what SVG is written in: a third of the bytes.
        return Outline(np.round(on_sheet * _POINTS_PER_MM, 2) / _POINTS_PER_MM, codes)
