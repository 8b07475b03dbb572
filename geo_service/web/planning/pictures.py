"""Figures as a picture of the map, and as the style that QGIS opens a layer with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from geo_service import maps
from geo_service.classification import DIVERGING, HATCHES, METHOD_NAMES, SEQUENTIAL
from geo_service.exports import LayerClass, LayerHatch, LayerStyle
from geo_service.formats import german_date, german_number
from geo_service.map_images import LegendClass, MapPicture, Overlay
from geo_service.schema import KEY_COLUMN, METRIC_CRS, check_areas
from geo_service.web.planning.figures import UNKNOWN, towns_inside
from geo_service.web.planning.summary import LEVEL_NAMES, describe_choice, describe_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geo_service.schema import Areas, Level
    from geo_service.web.planning.differences import Differences
    from geo_service.web.planning.figures import Figures
    from geo_service.web.planning.query import Choice
    from geo_service.web.site import View

    Shapes = NDArray[np.object_]

__all__ = [
    "DifferenceMap",
    "areas_of",
    "difference_picture",
    "layer_style",
    "map_picture",
    "metric_shapes",
    "picture_notes",
    "subtitle",
]

_COARSER: Final[dict[Level, Level]] = {
    "verbandsgemeinde": "kreis",
    "gemeinde": "verbandsgemeinde",
}
"""Whose borders are drawn as stronger lines; those of municipalities in a Kreis alone."""


def map_picture(view: View, figures: Figures) -> MapPicture:
    """Return the picture of a choice's map."""
    keys = figures.coverage["key"].tolist()
    legend = figures.legend
    class_of = {entry.shade: number for number, entry in enumerate(legend)}
    hatches = np.array(figures.hatches, dtype=object)
    return MapPicture(
        title=figures.title,
        subtitle=subtitle(figures),
        shapes=metric_shapes(view, figures.choice.level, keys),
        names=[_short_name(figures.name(key)) for key in keys],
        index=np.array([class_of.get(shade, -1) for shade in figures.shades.tolist()]),
        classes=[LegendClass(one.label, SEQUENTIAL[one.shade - 1], one.count) for one in legend],
        overlays=[
            Overlay(label, hatch.pattern, hatch.ink, hatch.ground, hatches == name)
            for name, label, _ in figures.hatch_legend
            for hatch in (HATCHES[name],)
        ],
        outlines=_outlines(view, figures.choice),
        legend_title=figures.title,
        method=f"Dunkler heißt mehr Bedarf. Klassen: {METHOD_NAMES[figures.choice.method]}",
        notes=picture_notes(figures),
    )


@dataclass(frozen=True, eq=False)
class DifferenceMap:
    """A map of differences: what it is called, its areas with names and classes, its notes.

    `choice` has level and area. `dotted` are the areas without a sure difference, under the
    name `dotted_label`.
    """

    title: str
    subtitle: str
    choice: Choice
    keys: Sequence[str]
    names: Sequence[str]
    differences: Differences
    dotted: NDArray[np.bool_]
    dotted_label: str
    notes: Sequence[str]


def difference_picture(view: View, drawn: DifferenceMap) -> MapPicture:
    """Return the picture of a map of differences, in the colours and classes of the page."""
    legend, shades = drawn.differences.legend, drawn.differences.shades
    class_of = {entry.shade: number for number, entry in enumerate(legend)}
    hatched = (("unknown", UNKNOWN, shades == 0), ("uncertain", drawn.dotted_label, drawn.dotted))
    return MapPicture(
        title=f"Unterschied: {drawn.title}",
        subtitle=drawn.subtitle,
        shapes=metric_shapes(view, drawn.choice.level, drawn.keys),
        names=list(map(_short_name, drawn.names)),
        index=np.array([class_of.get(shade, -1) for shade in shades.tolist()]),
        classes=[LegendClass(one.label, DIVERGING[-one.shade], one.count) for one in legend],
        overlays=[
            Overlay(label, hatch.pattern, hatch.ink, hatch.ground, members)
            for name, label, members in hatched
            for hatch in (HATCHES[name],)
            if members.any()
        ],
        outlines=_outlines(view, drawn.choice),
        legend_title=drawn.title,
        method="Braun heißt schlechter, grün heißt besser",
        notes=drawn.notes,
    )


def _short_name(name: str) -> str:
    """Return a name as maps have it."""
    return name.removeprefix("Landkreis ").removesuffix(" (Stadt)")


def subtitle(figures: Figures) -> str:
    """Say where, at which level, and which places count."""
    many, _ = LEVEL_NAMES[figures.choice.level]
    counted = "; ".join(describe_choice(figures.choice, figures.demands))
    planned = describe_scenario(figures.choice)
    where = f"{f'{planned}. ' if planned else ''}{figures.region.name}, {many}"
    return f"{where}. Gezählt wird: {counted}" if counted else where


def picture_notes(figures: Figures) -> list[str]:
    """Return the sources, and of which day and revision the figures are."""
    revision = german_number(figures.revision)
    return [
        f"Berechnet am {german_date(figures.today)}, Datenstand Nr. {revision}",
        f"Menschen: {figures.people}",
        *figures.notes,
    ]


def layer_style(figures: Figures) -> LayerStyle:
    """Return the classes of the map in the unit of the layer's column."""
    indicator = figures.indicator
    column = indicator.column
    edges = [float(f"{value / indicator.scale:.12g}") for value in figures.classification.breaks]
    limits = list(zip([None, *edges], [*edges, None], strict=True))
    # The legend begins with the most need.
    ordered = limits if indicator.need == "low" else limits[::-1]
    known = f'"{column}" IS NOT NULL'
    conditions = {
        "unknown": f'"{column}" IS NULL',
        "uncertain": f"{known} AND \"judgement\" = 'uncertain'",
    }
    return LayerStyle(
        name=figures.title,
        column=column,
        classes=[
            LayerClass(entry.label, SEQUENTIAL[entry.shade - 1], low, high)
            for entry, (low, high) in zip(figures.legend, ordered, strict=False)
        ],
        hatches=[
            LayerHatch(label, conditions[name], hatch.pattern, hatch.ink, hatch.ground)
            for name, label, _ in figures.hatch_legend
            for hatch in (HATCHES[name],)
        ],
    )


def areas_of(view: View, figures: Figures) -> Areas:
    """Return the areas shown, with their full borders."""
    areas = view.snapshot.areas[figures.choice.level]
    chosen = areas["key"].isin(figures.coverage["key"])
    return areas if bool(chosen.all()) else check_areas(areas[chosen].reset_index(drop=True))


def _outlines(view: View, choice: Choice) -> Shapes:
    coarser = _COARSER.get(choice.level)
    if coarser is None:
        return np.array([], dtype=object)
    if not choice.area:
        coarser = "kreis"
    territory = view.snapshot.territory
    towns = towns_inside(territory, choice.area) if choice.area else territory.municipalities
    return metric_shapes(view, coarser, towns[KEY_COLUMN[coarser]].unique().tolist())


def metric_shapes(view: View, level: Level, keys: Sequence[str]) -> Shapes:
    """Return the thinned borders of some areas in metres, made once for all."""
    known = view.backdrop.get(
        view.snapshot.territory, ("metric shapes", level), partial(_thinned, view, level)
    )
    return np.array([known[key] for key in keys], dtype=object)


def _thinned(view: View, level: Level) -> dict[str, object]:
    territory = view.snapshot.territory
    thin = partial(maps.thin_borders, territory.municipalities)
    thinned = view.backdrop.get(territory, ("thinned",), thin)
    areas = replace(territory, municipalities=thinned).areas[level].to_crs(METRIC_CRS)
    return dict(zip(areas["key"], areas.geometry, strict=True))
