"""Maps of differences as pictures: those of the page, in its classes, with what it says."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from test_planning_compare import CENTRE, CSTADT, World
from web_helpers import SOURCE_NOTE, fill, initiatives_of, place

from geo_service.classification import DIVERGING
from geo_service.map_images import MapPicture
from geo_service.store import Store
from geo_service.web.planning import files

COMPARED = "/planung/vergleich"
PLANNED = "/planung/szenario"
PLAN = "neu=7.15,50.05&ohne=ort-1"
ROUGH = {"coordinate_precision": "municipality"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A place opens in Cstadt, one in Bdorf of which the town alone is known, one in Aheim goes."""
    with Store(f"sqlite:///{tmp_path_factory.mktemp('pictures') / 'x.db'}") as store:
        made = World(store)
        fill(store, initiatives_of([place(1), place(2, point=(7.01, 50.01))]))
        made.take("Alt", radius_m=3_000.0)
        there = {"ags": "07131002", "point": (7.15, 50.05), **ROUGH}
        rows = [place(1), place(2, point=(7.01, 50.01)), place(3, **there)]
        fill(store, initiatives_of([*rows, place(4, ags=CSTADT, point=CENTRE)]))
        yield made


def drawn(world: World, monkeypatch: pytest.MonkeyPatch, address: str) -> MapPicture:
    """What is drawn at an address that was not asked for before."""
    pictures: list[MapPicture] = []

    def keep(picture: MapPicture, **_: object) -> bytes:
        pictures.append(picture)
        return b"drawn"

    monkeypatch.setattr(files, "draw_choropleth", keep)
    assert world.client.get(address).status_code == 200
    (picture,) = pictures
    return picture


def colours_of(picture: MapPicture) -> list[str]:
    return [picture.classes[number].colour if number >= 0 else "" for number in picture.index]


@pytest.mark.parametrize(
    ("picture", "values"),
    [
        (f"{COMPARED}/export.png?von=alt&ebene=gemeinde", f"{COMPARED}/werte.json?von=alt"),
        (f"{PLANNED}/export.png?{PLAN}&ebene=gemeinde", f"{PLANNED}.json?{PLAN}"),
    ],
)
def test_areas_have_the_classes_of_the_page(
    world: World, monkeypatch: pytest.MonkeyPatch, picture: str, values: str
) -> None:
    shown = drawn(world, monkeypatch, picture)
    data = json.loads(world.client.get(f"{values}&ebene=gemeinde").data)
    expected = [DIVERGING[5 - area[4]] if area[4] else "" for area in data["areas"]]
    assert colours_of(shown) == expected
    assert len(set(expected)) > 1
    assert shown.names == ["Aheim", "Bdorf", "Cstadt"]
    assert any(SOURCE_NOTE in note for note in shown.notes)


def test_picture_of_states_names_them_and_dots_what_is_not_sure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = drawn(world, monkeypatch, f"{COMPARED}/export.svg?von=alt&ebene=gemeinde&blatt=a4")
    assert shown.title == "Unterschied: Anteil der Menschen mit einem Ort im Umkreis von 3 km"
    assert shown.subtitle.startswith("„Alt“ (23.11.2026) bis heute (23.11.2026). Rheinland-Pfalz")
    (dotted,) = shown.overlays
    assert dotted.label == "keine sichere Veränderung vor Ort"
    assert dotted.members.tolist() == [False, True, False]


def test_picture_of_a_scenario_says_that_it_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{PLANNED}/export.svg?{PLAN}&titel=Plan&ebene=gemeinde"
    shown = drawn(world, monkeypatch, address)
    assert shown.subtitle.startswith("Szenario „Plan“ mit 2 Änderungen gegenüber heute.")
    assert shown.overlays == []


def test_pictures_are_whole_and_named(world: World) -> None:
    get = world.client.get
    compared = get(f"{COMPARED}/export.png?von=alt&ebene=kreis")
    planned = get(f"{PLANNED}/export.svg?{PLAN}&ebene=kreis")
    assert compared.data.startswith(b"\x89PNG")
    assert ET.fromstring(planned.data).tag.endswith("svg")  # noqa: S314 - our own drawing
    name = 'inline; filename="vergleich-karte-alt-jetzt-anteil-kreis-2026-11-23.png"'
    assert compared.headers["Content-Disposition"] == name
    assert "unterschied-anteil-kreise" in planned.headers["Content-Disposition"]
    assert planned.headers["Cache-Control"] == "private, no-cache"
    assert compared.headers["Cache-Control"] == "no-cache"


def test_pages_lead_to_their_pictures(world: World) -> None:
    for page, address in (
        (f"{COMPARED}?von=alt", f"{COMPARED}/export.png?von=alt"),
        (f"{PLANNED}?{PLAN}", f"{PLANNED}/export.png?"),
    ):
        assert f'href="{address}' in world.client.get(page).text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{PLANNED}/export.csv", 404),
        (f"{COMPARED}/export.png?von=alt&blatt=a3", 400),
        (f"{COMPARED}/export.png", 404),
    ],
)
def test_what_there_is_not_is_refused(world: World, address: str, status: int) -> None:
    assert world.client.get(address).status_code == status


def test_pictures_wait_for_their_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(files, "_room", room)
    monkeypatch.setattr(files, "WAIT_S", 0.01)
    for address in (f"{COMPARED}/export.png?von=alt&kennzahl=anzahl", f"{PLANNED}/export.png"):
        with room:
            busy = world.client.get(address)
        assert busy.status_code == 503
        assert int(busy.headers["Retry-After"]) > 0
        assert world.client.get(address).status_code == 200
