"""Pages that are kept with gaps: what fills them is of one reader, and is not kept."""

from __future__ import annotations

import gc
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from web_helpers import VECTORS, app_of, fill, initiatives_of, place, small_territory

from geo_service.schema import CATEGORIES
from geo_service.store import Store
from geo_service.web.filters import Selection
from geo_service.web.listing import ListPage
from geo_service.web.search import Spot
from geo_service.web.site import EXTENSION
from geo_service.web.stencils import Stencil, Written

PLACES = [
    place(
        number,
        name=f"Treff {number} {VECTORS[number]}",
        category=CATEGORIES[number % len(CATEGORIES)],
        languages=("Arabisch", "Deutsch; Türkisch", None)[number % 3],
        opening_hours=("Mo-Fr 9-18 Uhr", None)[number % 2],
        wheelchair=("yes", None)[number % 2],
        point=(7.01 + number / 100, 50.05),
        ags=("07131001", "07131002")[number > 8],
    )
    for number in range(18)
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path / 'places.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(PLACES))
        yield store


def new_app(store: Store) -> Flask:
    """An application that has kept nothing yet."""
    return app_of(store, small_territory())


# --------------------------------------------------------------------------- the stencil


def test_gaps_are_filled_where_they_were_marked() -> None:
    made = Stencil.of(lambda gap: f"{gap('a')}<i>{gap(('b', 1))}</i>{gap('a')}")
    texts: dict[Any, bytes] = {"a": b"&lt;1&gt;", ("b", 1): "<b>ü</b>".encode()}
    assert made.filled(texts.__getitem__) == "&lt;1&gt;<i><b>ü</b></i>&lt;1&gt;".encode()
    assert made.filled(lambda _: b"") == b"<i></i>"
    assert made.filled_with(b"x") == b"x<i>x</i>x"


def test_mark_tells_texts_apart() -> None:
    def pair(first: bytes, second: bytes) -> Written:
        return made.filled({"a": first, "b": second}.__getitem__)

    made = Stencil.of(lambda gap: f"{gap('a')}-{gap('b')}")
    other = Stencil.of(lambda gap: f"{gap('a')}+{gap('b')}").filled(lambda _: b"x")
    nested = [pair(pair(one, b"y"), b"z") for one in (b"x", b"xx")]
    written = [pair(b"x", b"y"), pair(b"xy", b""), pair(b"", b"xy"), pair(b"x", b"z"), other]
    assert len({one.mark for one in [*written, *nested]}) == len(written) + len(nested)
    assert pair(b"x", b"y").mark == written[0].mark


def test_text_that_looks_like_a_gap_is_text() -> None:
    texts = (
        "\ufdd00\ufdd1",
        "\ufdd0-0\ufdd1",
        "\ufdd00123456789abcdef-0\ufdd1",
        "{a}",
        "%s",
        r"\1",
    )
    for text in texts:
        assert Stencil.of(lambda gap, text=text: text + gap("a")).filled(
            lambda _: b"!"
        ) == f"{text}!".encode()  # fmt: skip


# ----------------------------------------------------------------------------- the pages

ADDRESSES = (
    "/",
    "/?nah=7.05,50.05",
    "/?nah=7.1234,50.0567&umkreis=2",
    "/?nah=7.9,50.9&umkreis=2",
    "/?ort=Aheim",
    "/?ort=" + "%3Cb%3E%22%26",
    "/?ort=%3Ci%3EZuhause&nah=7.05,50.05",
    "/?ort=Zuhause&nah=7.06,50.05",
    "/ar/?nah=7.05,50.05",
    "/de/?nah=7.05,50.05",
)
CHOICES = (
    "",
    "art=haus&sprache=arabisch&sprache=deutsch&rollstuhl=ja",
    "gebiet=07131",
    "q=treff",
)


@pytest.mark.parametrize("choice", CHOICES)
def test_page_does_not_depend_on_what_others_asked_before(store: Store, choice: str) -> None:
    asked = [one + ("&" if "?" in one else "?") + choice for one in ADDRESSES]
    alone = {one: new_app(store).test_client().get(one).data for one in asked}
    assert len(set(alone.values())) == len(asked)
    shared = new_app(store).test_client()
    for one in [*asked, *reversed(asked)]:
        assert shared.get(one).data == alone[one], one


def test_page_near_a_point_is_not_rendered_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_app(store).test_client()
    client.get("/?nah=7.05,50.05")

    def again(*_: object, **__: object) -> None:
        pytest.fail("the parts that all points share were written again")

    monkeypatch.setattr(sys.modules["geo_service.web.pages"], "render_template", again)
    assert "Treff 3" in client.get("/?nah=7.06,50.05&umkreis=25").text


def test_tags_of_pages_differ_where_the_pages_do(store: Store) -> None:
    asked = [*ADDRESSES, "/?nah=7.06,50.05", "/?nah=7.05,50.05&umkreis=25", "/?ort=Beheim"]
    answers = [new_app(store).test_client().get(one) for one in [*asked, *asked]]
    bodies, tags = [one.data for one in answers], [one.headers["ETag"] for one in answers]
    assert len(set(zip(bodies, tags, strict=True))) == len(set(bodies)) == len(set(tags))
    assert len(set(bodies)) == len(asked)


# ------------------------------------------------------------------------------- privacy


def lengths_from(app: Flask, lon: float, lat: float) -> set[float]:
    """The exact distances of all places from the point, in metres and in kilometres."""
    with app.test_request_context():
        index = app.extensions[EXTENSION].view().index
    lengths_m = index.distances_m(Spot(lon, lat, "device")).tolist()
    return {length for length_m in lengths_m for length in (length_m, length_m / 1000)}


def holders(numbers: set[float], text: str) -> list[str]:
    """What is in memory and holds one of the numbers or the text."""
    found = []
    gc.collect()
    for one in gc.get_objects():
        if isinstance(one, Selection | ListPage | Spot):
            found.append(repr(type(one)))
        if one is numbers or isinstance(one, FrameType):
            continue
        for part in gc.get_referents(one):
            told = isinstance(part, float) and part in numbers
            if told or (isinstance(part, str) and text in part):
                found.append(repr(one)[:300])
    return found


@pytest.mark.parametrize("prefix", ["", "/ar", "/en"])
def test_nothing_in_memory_tells_where_a_visitor_was(store: Store, prefix: str) -> None:
    app = new_app(store)
    client = app.test_client()
    lon, lat = map(float, ["7.123", "50.057"])  # as constants the module would hold them
    numbers = lengths_from(app, lon, lat) | {lon, lat}
    for choice in ("", "&umkreis=50", "&art=haus", "&gebiet=07131"):
        answer = client.get(prefix + "/", query_string=f"nah={lon},{lat}{choice}")
        assert answer.status_code == 200
        assert f"{lon},{lat}" in answer.text
        answer.close()
    del answer, client
    urllib.parse.clear_cache()  # what the client asked for
    assert holders(numbers, f"{lon},{lat}") == []
