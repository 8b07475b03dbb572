"""How QGIS draws a layer of figures: the classes of the map, as a style kept in the file.

A GeoPackage may hold styles in a table ``layer_styles``; QGIS opens a layer with the one that
is marked as default. The style is QGIS's own XML (QML): a rule per class, one for unknown
values, and one for hatching, which lies over the class.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LayerClass", "LayerHatch", "LayerStyle", "qml", "style_table"]

_BORDER: Final = "12,12,12,255"
_DOCTYPE: Final = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


@dataclass(frozen=True, slots=True)
class LayerClass:
    """A class: values from `low` on and under `high` (None: without limit), and its colour."""

    label: str
    colour: str
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class LayerHatch:
    """A hatching over what `filter` (an expression of QGIS) holds for; `ground` None: clear."""

    label: str
    filter: str
    pattern: Literal["lines", "dots"]
    ink: str
    ground: str | None


@dataclass(frozen=True, slots=True)
class LayerStyle:
    """How a layer is drawn: by the classes of `column`, which is one of the layer's.

    Limits of the classes are in the unit of the column. Colours are ``#rrggbb``.
    """

    name: str
    column: str
    classes: Sequence[LayerClass]
    hatches: Sequence[LayerHatch] = ()


def style_table(style: LayerStyle, *, layer: str, geometry: str) -> pd.DataFrame:
    """Return the one row of ``layer_styles``, in the columns that QGIS looks for."""
    row = {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": layer,
        "f_geometry_column": geometry,
        "styleName": style.name,
        "styleQML": qml(style),
        "styleSLD": "",
        "useAsDefault": True,
        "description": style.name,
        "owner": "",
        "ui": "",
    }
    return pd.DataFrame([row])


def qml(style: LayerStyle) -> str:
    """Return the style as QML of QGIS 3."""
    root = ET.Element("qgis", version="3.28.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        root, "renderer-v2", type="RuleRenderer", symbollevels="0", forceraster="0"
    )
    rules = ET.SubElement(renderer, "rules", key="{figures}")
    symbols = ET.SubElement(renderer, "symbols")
    for entry in style.classes:
        symbol = _rule(rules, symbols, entry.label, _condition(style.column, entry))
        _fill(symbol, entry.colour)
    for hatch in style.hatches:
        symbol = _rule(rules, symbols, hatch.label, hatch.filter)
        if hatch.ground:
            _fill(symbol, hatch.ground)
        _hatching(symbol, hatch)
    ET.indent(root)
    return _DOCTYPE + ET.tostring(root, encoding="unicode")


def _condition(column: str, entry: LayerClass) -> str:
    parts = [f'"{column}" IS NOT NULL']
    if entry.low is not None:
        parts.append(f'"{column}" >= {entry.low!r}')
    if entry.high is not None:
        parts.append(f'"{column}" < {entry.high!r}')
    return " AND ".join(parts)


def _rule(rules: ET.Element, symbols: ET.Element, label: str, condition: str) -> ET.Element:
    """Add a rule and return its symbol, still empty."""
    number = str(len(symbols))
    key = f"{{rule-{number}}}"
    ET.SubElement(rules, "rule", key=key, filter=condition, label=label, symbol=number)
    return _symbol(symbols, "fill", number)


def _symbol(parent: ET.Element, kind: str, name: str) -> ET.Element:
    return ET.SubElement(parent, "symbol", type=kind, name=name, alpha="1", clip_to_extent="1")


def _layer(symbol: ET.Element, kind: str, options: Mapping[str, str]) -> ET.Element:
    layer = ET.SubElement(symbol, "layer", {"class": kind, "enabled": "1", "locked": "0"})
    listed = ET.SubElement(layer, "Option", type="Map")
    for name, value in options.items():
        ET.SubElement(listed, "Option", type="QString", name=name, value=value)
    return layer


def _fill(symbol: ET.Element, colour: str) -> None:
    _layer(
        symbol,
        "SimpleFill",
        {
            "color": _rgba(colour),
            "style": "solid",
            "outline_color": _BORDER,
            "outline_style": "solid",
            "outline_width": "0.15",
            "outline_width_unit": "MM",
        },
    )


def _hatching(symbol: ET.Element, hatch: LayerHatch) -> None:
    """Add lines or dots; what they are made of is a symbol of its own."""
    name = f"@{symbol.get('name')}@{len(symbol)}"
    ink = _rgba(hatch.ink)
    if hatch.pattern == "lines":
        layer = _layer(symbol, "LinePatternFill", {"angle": "45", "distance": "1.6"})
        line = {"line_color": ink, "line_width": "0.2", "line_style": "solid"}
        _layer(_symbol(layer, "line", name), "SimpleLine", line)
    else:
        spacing = {"distance_x": "1.6", "distance_y": "1.6", "displacement_x": "0.8"}
        layer = _layer(symbol, "PointPatternFill", spacing)
        dot = {"name": "circle", "color": ink, "size": "0.45", "outline_style": "no"}
        _layer(_symbol(layer, "marker", name), "SimpleMarker", dot)


def _rgba(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"{red},{green},{blue},255"
