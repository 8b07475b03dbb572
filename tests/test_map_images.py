"""Maps as pictures: whole, quick, repeatable, and no text in them is ever more than text."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from web_helpers import VECTORS

from geo_service import map_images
from geo_service.classification import HATCHES, SEQUENTIAL
from geo_service.errors import QueryError
from geo_service.map_images import (
    IMAGE_KINDS,
    SHEETS,
    LegendClass,
    MapPicture,
    Overlay,
    draw_choropleth,
)

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = (SEQUENTIAL[0], SEQUENTIAL[4])


def overlay(name: str, members: list[bool]) -> Overlay:
    hatch = HATCHES[name]
    return Overlay(hatch.label, hatch.pattern, hatch.ink, hatch.ground, np.array(members))


def picture(**given: Any) -> MapPicture:
    """Three squares of 10 km side by side: a class each, and one unknown."""
    shapes = [shapely.box(x, 0, x + 10_000, 10_000) for x in (0, 10_000, 20_000)]
    values: dict[str, Any] = {
        "title": "Anteil der Menschen mit einem Ort",
        "subtitle": "Musterland, Kreise",
        "shapes": np.array(shapes, dtype=object),
        "names": ["Adorf", "Bedorf", "Zestadt"],
        "index": np.array([0, 1, -1]),
        "classes": [
            LegendClass("unter 50 %", COLOURS[0], 1),
            LegendClass("ab 50 %", COLOURS[1], 1),
        ],
        "overlays": [
            overlay("unknown", [False, False, True]),
            overlay("uncertain", [True, False, False]),
        ],
        "outlines": np.array([shapely.box(0, 0, 30_000, 10_000)], dtype=object),
        "legend_title": "Anteil der Menschen",
        "method": "natürliche Klassen",
        "notes": ["© Kartenamt", "Stand heute"],
    }
    return MapPicture(**(values | given))


def parsed(content: bytes) -> ET.Element:
    return ET.fromstring(content)  # noqa: S314 - our own drawing


def pixels(content: bytes) -> Any:
    from io import BytesIO

    from matplotlib.image import imread

    return np.round(imread(BytesIO(content))[:, :, :3] * 255).astype(int)


# -------------------------------------------------------------------------- what it shows


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_every_kind_and_sheet_is_a_whole_picture(kind: Any, sheet: str) -> None:
    content = draw_choropleth(picture(), kind=kind, sheet=sheet)
    size = SHEETS[sheet]
    if kind == "png":
        high, wide, _ = pixels(content).shape
        assert wide == pytest.approx(size.width / 25.4 * size.dpi, abs=size.dpi / 72)
        assert high == pytest.approx(size.height / 25.4 * size.dpi, abs=size.dpi / 72)
    else:
        assert parsed(content).tag == f"{SVG}svg"


def test_areas_have_the_colour_of_their_class_and_unknown_ones_none() -> None:
    shown = pixels(draw_choropleth(picture(overlays=[], names=["", "", ""]), kind="png"))
    counts = [int((shown == [*bytes.fromhex(colour[1:])]).all(axis=2).sum()) for colour in COLOURS]
    # Both squares have the same size, and so have their swatches.
    assert counts[0] == pytest.approx(counts[1], rel=0.02)
    assert counts[0] > 50_000


def test_hatching_lies_over_unknown_and_uncertain_areas_alone() -> None:
    nothing = [overlay("unknown", [False] * 3), overlay("uncertain", [False] * 3)]
    plain = pixels(draw_choropleth(picture(overlays=nothing, names=["", "", ""]), kind="png"))
    hatched = pixels(draw_choropleth(picture(names=["", "", ""]), kind="png"))
    changed = np.flatnonzero((plain != hatched).any(axis=2)[: len(plain) // 2].any(axis=0))
    left, right = changed.min(), changed.max()
    third = (right - left) / 3
    middle = changed[(changed > left + third * 1.05) & (changed < right - third * 1.05)]
    assert not len(middle)


def test_the_title_is_in_the_file_for_those_who_cannot_see_it() -> None:
    root = parsed(draw_choropleth(picture(), kind="svg"))
    titles = {node.text for node in root.iter() if node.tag.endswith("title")}
    assert titles == {"Anteil der Menschen mit einem Ort"}


@pytest.mark.parametrize("sheet", [*SHEETS])
def test_a_long_label_takes_more_lines_and_room(sheet: str) -> None:
    """It would else run into the number of areas beside it, or the legend into the sources."""
    label = "schlechter um 65,25 Prozentpunkte oder mehr, und das ist noch nicht alles"
    classes = [LegendClass(label, colour, 1_000) for colour in (*COLOURS, *COLOURS)]
    drawing = map_images._Drawing(picture(classes=classes), SHEETS[sheet])
    texts = [(text.get_text(), *text.get_position()) for text in drawing.axes.texts]
    counts = [(x, y) for text, x, y in texts if text == "1.000 Gebiete"]
    wide = drawing._width("1.000 Gebiete", 8.5)
    lines = [one for one in texts if one[0] and label.find(one[0]) >= 0]
    assert len(lines) > len(classes) == len(counts)
    right = counts[0][0]
    assert all(x + drawing._width(text, 8.5) < right - wide for text, x, _ in lines)
    sources = [y for text, _, y in texts if "Kartenamt" in text]
    assert all(y > max(sources) + 4 for _, _, y in lines if sources)


def test_a_map_of_one_area_without_anything_known_is_drawn() -> None:
    one = picture(
        shapes=np.array([shapely.box(0, 0, 10, 10)], dtype=object),
        names=["A"],
        index=np.array([-1]),
        classes=[],
        overlays=[overlay("unknown", [True])],
        outlines=np.array([], dtype=object),
        spots=[(5.0, 5.0)],
        spots_label="neuer Ort",
    )
    assert draw_choropleth(one, kind="png").startswith(b"\x89PNG")


@pytest.mark.parametrize("wrong", [{"kind": "gif"}, {"kind": "png", "sheet": "a0"}])
def test_other_kinds_and_sheets_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        draw_choropleth(picture(), **wrong)


# ------------------------------------------------------------------------- hostile texts

UNUSUAL = (
    r"$\frac{1}{0}$",
    "$x",
    r"\usepackage{x} $$ ^_{}",
    "مرحبا بالعالم",
    "漢字かな",
    "x" * 5_000,
    "\x00\x07\n\r\t\ud800",
    "👩‍👩‍👧 \u202eabc",
    "",
)


def everywhere(texts: Sequence[str]) -> MapPicture:
    """A picture with the texts in turn in everything that is written."""
    one = itertools.cycle(texts)
    return picture(
        title=next(one),
        subtitle=next(one),
        names=[next(one) for _ in range(3)],
        legend_title=next(one),
        method=next(one),
        notes=[*texts],
        classes=[LegendClass(next(one), colour, 1) for colour in COLOURS],
        spots=[(100.0, 100.0)],
        spots_label=next(one),
    )


@pytest.mark.parametrize("texts", [VECTORS, VECTORS[10:], VECTORS[20:], UNUSUAL, UNUSUAL[4:]])
def test_any_text_is_drawn_as_the_text_it_is(texts: Sequence[str]) -> None:
    assert draw_choropleth(everywhere(texts), kind="png").startswith(b"\x89PNG")
    content = draw_choropleth(everywhere(texts), kind="svg")
    elements = [*parsed(content).iter()]
    tags = {node.tag.partition("}")[2] for node in elements}
    assert not tags & {"script", "image", "a", "foreignObject", "iframe", "text"}
    assert not [name for node in elements for name in node.attrib if name.startswith("on")]
    assert b"<!--" not in content


def test_dollars_are_letters_and_no_formula() -> None:
    formula = draw_choropleth(picture(title="$x^2$"), kind="svg")
    assert formula != draw_choropleth(picture(title="x2"), kind="svg")


# ------------------------------------------------------------------- repeatable and apart


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_the_same_picture_gives_the_same_bytes_in_any_thread(kind: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: draw_choropleth(picture(), kind=kind), range(4)))
    assert len(set(drawn)) == 1


_ELSEWHERE = """
import sys
sys.path.insert(0, {tests!r})
import test_map_images as t
from geo_service.config import private_font_cache
with private_font_cache():
    assert "matplotlib" not in sys.modules
    sys.stdout.buffer.write(t.draw_choropleth(t.picture(), kind="svg"))
"""


def test_another_process_draws_the_same_and_writes_nothing_into_the_home(tmp_path: Path) -> None:
    home, work, scratch = (tmp_path / name for name in ("home", "work", "scratch"))
    for folder in (home, work, scratch):
        folder.mkdir()
    (work / "matplotlibrc").write_text("font.size: 40\nsvg.fonttype: none\nlines.linewidth: 9\n")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG"))
    }
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE.format(tests=str(Path(__file__).parent))],
        env=environment | {"HOME": str(home), "TMPDIR": str(scratch), "TZ": "Asia/Tokyo"},
        cwd=work,
        capture_output=True,
        check=True,
    )
    assert done.stdout == draw_choropleth(picture(), kind="svg")
    assert not [*home.rglob("*")]
    assert not [*scratch.rglob("*")]


def test_names_that_would_overlap_are_left_out() -> None:
    apart = draw_choropleth(picture(), kind="svg")
    crowded = dataclasses.replace(picture(), names=["Ein sehr langer Name " * 3] * 3)
    assert apart != draw_choropleth(crowded, kind="svg")
    nobody = dataclasses.replace(picture(), names=["", "", ""])
    assert draw_choropleth(nobody, kind="svg") != apart
