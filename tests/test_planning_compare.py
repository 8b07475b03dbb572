"""Two dated states beside each other: page, map and files say the same, and what it means."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from flask.testing import FlaskClient
from web_helpers import (
    NOW,
    TODAY,
    VECTORS,
    app_of,
    fill,
    initiatives_of,
    place,
    small_territory,
)

from geo_service import pipeline
from geo_service.changes import CROSSING_NAMES, PART_NAMES
from geo_service.classification import DIVERGING
from geo_service.coverage import CoverageParameters
from geo_service.errors import QueryError
from geo_service.exports import round_figures
from geo_service.pipeline import Workshop
from geo_service.schema import CATEGORIES, PRECISIONS, Demand
from geo_service.store import Store
from geo_service.web.planning import compare, state_choice, states
from geo_service.web.planning.differences import (
    difference_range,
    difference_text,
    differences_of,
)
from geo_service.web.planning.figures import range_text, value_text
from geo_service.web.planning.query import INDICATORS, PLANNING_LEVELS
from geo_service.web.planning.state_files import EXPORT_COLUMNS

CSTADT = "07211000"
CENTRE = (7.25, 50.05)
"""The seat of Cstadt, where its people count."""


class World:
    """A store, a workshop over it, and the pages."""

    def __init__(self, store: Store) -> None:
        store.migrate()
        self.store = store
        self.workshop = Workshop(store, small_territory())
        self.client: FlaskClient = app_of(store, self.workshop.territory).test_client()

    def take(self, name: str, **options: Any) -> None:
        """Keep the state of now."""
        demand = options.pop("demand", None)
        pipeline.take_state(
            self.workshop,
            name=name,
            parameters=CoverageParameters(**options),
            today=TODAY,
            demand_slug=demand,
        )

    def html(self, query: str = "") -> str:
        """The page as it is sent."""
        return self.client.get(f"/planung/vergleich{query}").text

    def page(self, query: str = "", status: int = 200) -> str:
        """The text of the page, without its markup."""
        response = self.client.get(f"/planung/vergleich{query}")
        assert response.status_code == status, response.text
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.text)))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        made = World(store)
        fill(store, initiatives_of([place(1), place(2, coordinate_precision="municipality")]))
        yield made


def grow(world: World) -> None:
    """A place opens in Cstadt, another is known better."""
    fill(world.store, initiatives_of([place(2), place(3, ags=CSTADT, point=CENTRE)]))


# --------------------------------------------------------------------------------- page


def test_without_a_state_the_page_says_how_to_keep_one(world: World) -> None:
    page = world.page()
    assert "Noch ist kein Stand festgehalten" in page
    assert 'geo-service snapshot "Bericht 2026-I"' in page


def test_states_are_listed_with_day_revision_and_parameters(world: World) -> None:
    world.take("Bericht 2026-I", radius_m=2_500.0, current_within_months=36)
    page = world.page()
    assert "Bericht 2026-I" in page
    assert "Umkreis 2,5 km, in den letzten 36 Monaten angegeben oder bestätigt" in page
    assert "Zusammenfassung" not in page


def test_summary_tells_real_change_from_better_data(world: World) -> None:
    world.take("Alt")
    grow(world)
    page = world.page("?von=alt")
    assert (
        "Zwischen „Alt“ (23.11.2026) und heute (23.11.2026) gibt es 1 neuen Ort."
        " 1 weiterer Eintrag ist nur besser bekannt: 1 mit genauerem Punkt." in page
    )
    assert "In Rheinland-Pfalz haben 90.000 Menschen mehr einen Ort" in page
    assert "Das kommt allein von Veränderungen vor Ort. Gezählt sind 3 Orte, vorher 2." in page
    assert "1 von 2 Gebieten hat die Schwelle zur Lücke überschritten" in page
    assert "keine Lücke mehr: Cstadt (Veränderung)" in page


def test_parts_of_fractional_people_are_said_as_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Demands are spread in fractions: one person more, of whom no part is half a one."""
    world.take("Alt")
    grow(world)
    whole = states.StateComparison.whole.func  # type: ignore[attr-defined]
    parts = {"change": 0.9, "real": 0.4, "data": 0.3, "rest": 0.2}
    fractions = {f"people_reached_{part}": value for part, value in parts.items()}
    changed = property(lambda self: pd.Series({**whole(self), **fractions}))
    monkeypatch.setattr(states.StateComparison, "whole", changed)
    page = world.page("?von=alt")
    assert "hat 1 Mensch mehr einen Ort" in page
    assert "Davon kommen +0,4 von Veränderungen vor Ort, +0,3 von" in page


def test_part_of_a_person_more_is_not_as_many_as_before(world: World) -> None:
    figures = {"07131001": 3.0, "07131002": 0.0, CSTADT: 0.4}
    world.store.save_demand(Demand("probe", "Probe", "gemeinde", figures, "© Amt"), now=NOW)
    world.take("Alt", demand="probe")
    assert "so viele Menschen" in world.page("?von=alt")
    grow(world)
    page = world.page("?von=alt")
    assert "haben 0,4 Menschen mehr einen Ort" in page
    assert ": 100,0 % statt 88,2 %." in page


def test_as_many_people_of_more_are_another_share(world: World) -> None:
    """Nobody more is reached, but there are more to be reached."""
    world.store.save_demand(_probe(CSTADT, 3.0), now=NOW)
    world.take("Alt", demand="probe")
    world.store.save_demand(_probe(CSTADT, 9.0), now=NOW)
    assert "wie vorher (25,0 % statt 50,0 %)" in world.page("?von=alt")


def _probe(ags: str, people: float) -> Demand:
    figures = {"07131001": 3.0, "07131002": 0.0, CSTADT: 0.0} | {ags: people}
    return Demand("probe", "Probe", "gemeinde", figures, "© Amt")


def test_row_has_the_difference_and_its_parts(world: World) -> None:
    world.take("Alt")
    grow(world)
    html = world.client.get("/planung/vergleich?von=alt&ebene=gemeinde").text
    row = html[html.index('data-key="07211000"') :].split("</tr>")[0]
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
    assert cells == [
        "0 %",
        "100 %",
        "+100,0",
        "keine Lücke mehrVeränderung",
        *("+100,0", "0", "0"),
        *("0", "1", "0", "1"),
    ]


def test_nothing_changed_is_said(world: World) -> None:
    world.take("Alt")
    page = world.page("?von=alt")
    assert "hat sich kein Eintrag verändert" in page
    assert "Keines der 2 Gebiete hat die Schwelle zur Lücke überschritten" in page
    assert "0 von 2 verändert" in page


def test_two_states_are_compared_without_the_present(world: World) -> None:
    world.take("Alt")
    grow(world)
    world.take("Neu")
    fill(world.store, initiatives_of([place(9)]))
    page = world.page("?von=alt&bis=neu")
    assert "Zwischen „Alt“ (23.11.2026) und „Neu“ (23.11.2026) gibt es 1 neuen Ort" in page
    assert "Gezählt sind 3 Orte" in page


def test_within_a_kreis_only_its_records_and_areas_count(world: World) -> None:
    world.take("Alt")
    grow(world)
    page = world.page("?von=alt&gebiet=07131&ebene=gemeinde")
    assert "Was sich verändert hat: Landkreis Auenland" in page
    assert "kein Ort hinzugekommen, weggefallen oder umgezogen" in page
    assert "Keines der 2 Gebiete" in page


def test_records_lead_to_their_pages_while_they_have_one(world: World) -> None:
    world.take("Alt")
    grow(world)
    world.take("Neu")
    world.store.erase("ort-3", now=NOW)
    html = world.client.get("/planung/vergleich?von=alt").text
    assert 'href="/orte/ort-2"' in html
    assert "ort-3" not in html
    assert "Café 3" not in html
    told = world.page("?von=alt&bis=neu")
    assert "Aus „Neu“ wurde seither 1 Eintrag gelöscht" in told


def test_state_of_other_parameters_is_measured_like_the_first(world: World) -> None:
    world.take("Alt")
    world.take("Weit", radius_m=50_000.0)
    page = world.page("?von=alt&bis=weit")
    assert "„Weit“ wurde anders gemessen (Umkreis 50 km)" in page
    assert "0 von 2 verändert" in page


def test_a_later_erasure_is_no_difference_where_a_state_is_measured_anew(world: World) -> None:
    """What is measured anew lacks the record, so both are, and both say so."""
    grow(world)
    world.take("Alt")
    world.take("Weit", radius_m=4_000.0)
    world.store.erase("ort-3", now=NOW)
    page = world.page("?von=alt&bis=weit")
    assert "0 von 2 verändert" in page
    assert "2,0 %" in page
    assert "Gezählt sind 2 Orte, vorher 2." in page
    assert "wie sie veröffentlicht wurden" not in page
    for name in ("Alt", "Weit"):
        assert (
            f"Aus „{name}“ wurde seither 1 Eintrag gelöscht. Hier ist „{name}“ neu gemessen; die"
            " veröffentlichten Zahlen können andere sein." in page
        )
    response = world.client.get("/planung/vergleich/export.xlsx?von=alt&bis=weit")
    book = openpyxl.load_workbook(io.BytesIO(response.data))
    said = {row[0]: row[1] for row in book["Methode"].iter_rows(values_only=True) if len(row) > 1}
    assert "Aus „Weit“ wurde seither 1 Eintrag gelöscht" in said["Hinweise"]


def test_published_figures_stand_where_no_state_is_measured_anew(world: World) -> None:
    grow(world)
    world.take("Alt")
    world.take("Neu")
    world.store.erase("ort-3", now=NOW)
    page = world.page("?von=alt&bis=neu")
    assert "0 von 2 verändert" in page
    assert "(92,9 %)" in page
    for name in ("Alt", "Neu"):
        assert (
            f"Aus „{name}“ wurde seither 1 Eintrag gelöscht. Die Zahlen stehen, wie sie"
            " veröffentlicht wurden." in page
        )


def test_method_of_a_state_measured_anew_makes_no_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take("Alt")
    monkeypatch.setattr("geo_service.snapshot.snapshot.METHOD", "0")
    world.take("Weit", radius_m=50_000.0)
    monkeypatch.undo()
    page = world.page("?von=alt&bis=weit")
    assert "„Weit“ wurde anders gemessen" in page
    assert "der davon kommt" not in page


def test_other_method_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geo_service.snapshot.snapshot.METHOD", "0")
    world.take("Alt")
    monkeypatch.undo()
    assert "Die Methode hat sich seither geändert" in world.page("?von=alt")


def test_comparison_is_measured_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.take("Alt")
    measured = []
    known = compare.compare_dated.__globals__["compare"]

    def count(*given: Any, **named: Any) -> Any:
        measured.append(1)
        return known(*given, **named)

    monkeypatch.setattr("geo_service.web.planning.states.compare", count)
    for query in ("", "&ebene=kreis", "&kennzahl=entfernung"):
        world.page(f"?von=alt{query}")
        assert world.client.get(f"/planung/vergleich/export.csv?von=alt{query}").status_code == 200
    assert len(measured) == 1


@pytest.mark.parametrize("query", ["?von=alt", "?", "/werte.json?von=alt", "/export.csv?von=alt"])
def test_what_a_comparison_does_not_use_is_not_kept_apart(world: World, query: str) -> None:
    """There is no end of scenarios, nor of what else an address may say."""
    world.take("Alt")
    get = world.client.get
    get(f"/planung/vergleich{query}")
    snapshot = world.client.application.extensions["geo_service"].holder.current()
    kept = len(snapshot._derived), len(snapshot._answers)
    for other in ("neu=7.15,50.05", "neu=7.15,50.06", "umkreis=7", "grenzen=1;2"):
        assert get(f"/planung/vergleich{query}&{other}").status_code == 200
    assert (len(snapshot._derived), len(snapshot._answers)) == kept


def test_old_address_with_a_language_leads_to_the_page(world: World) -> None:
    assert world.client.get("/uk/planung/vergleich?von=x").headers["Location"].endswith("?von=x")


# ------------------------------------------------------------------- figures of a state


def test_figures_of_a_state_stay_as_they_were(world: World) -> None:
    world.take("Alt", radius_m=3_000.0, categories=("Mehrgenerationenhaus", "Begegnungscafé"))
    kept = world.store.read_state("alt")
    grow(world)
    address = unescape(re.findall(r'href="(/planung\?[^"]*stand=alt)"', world.html())[0])
    assert "umkreis=3" in address
    page = world.client.get(address)
    assert page.status_code == 200
    assert "Stand „Alt“ vom 23.11.2026" in page.text
    assert "Gezählt sind in Rheinland-Pfalz 2 Orte" in unescape(page.text)
    for level in PLANNING_LEVELS:
        file = world.client.get(f"{address.replace('?', '/export.csv?')}&ebene={level}")
        table = pd.read_csv(io.StringIO(file.text), dtype={"key": str}).set_index("key")
        then = round_figures(kept.results[level]).set_index("key")
        for column in ("places", "share_reached", "share_high", "people_beyond", "e2sfca"):
            assert table[column].tolist() == then[column].tolist()
    for form in re.findall(r"<form.*?</form>", page.text, re.DOTALL):
        assert 'name="stand" value="alt"' in form


@pytest.mark.parametrize(
    "options",
    [
        {"radius_m": 99.0},
        {"radius_m": 0.0001},
        {"radius_m": 100.0},
        {"radius_m": 64.1 * 1000},  # 64,099.99999999999
        {"categories": CATEGORIES * 2},
    ],
    ids=["99 m", "under a millimetre", "100 m", "64.1 km", "categories twice"],
)
def test_a_state_leads_only_to_figures_that_pages_have(
    world: World, options: dict[str, Any]
) -> None:
    world.take("Alt", **options)
    assert "Alt" in world.page()
    addresses = re.findall(r'href="(/planung\?[^"]*stand=alt)"', world.html())
    assert len(addresses) == (options.get("radius_m", 100.0) >= 100.0)
    assert ("So misst keine Seite" in world.page()) == (not addresses)
    for address in addresses:
        assert world.client.get(unescape(address)).status_code == 200


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_state_of_any_precision_leads_to_its_figures(world: World, precision: str) -> None:
    """`geo-service snapshot --precision` offers every one of them."""
    world.take("Alt", minimum_precision=precision)
    kept = world.store.read_state("alt")
    address = unescape(re.findall(r'href="(/planung\?[^"]*stand=alt)"', world.html())[0])
    file = world.client.get(address.replace("?", "/export.csv?"))
    table = pd.read_csv(io.StringIO(file.text))
    assert table["places"].sum() == kept.results["verbandsgemeinde"]["places"].sum()
    world.page("?von=alt")


def test_a_state_stored_with_the_roughest_precision_counts_all_places(world: World) -> None:
    """States kept before had it by its name, though it leaves out nothing."""
    world.take("Alt")
    world.take("Neu")
    kept = world.store.read_state("neu")
    world.store.remove_state("neu", now=NOW)
    named = {**kept.parameters, "minimum_precision": "municipality"}
    early = dataclasses.replace(kept, revision=world.store.revision(), parameters=named)
    world.store.save_state(early)
    addresses = re.findall(r'href="/planung\?[^"]*stand=(\w+)"', world.html())
    assert sorted(addresses) == ["alt", "neu"]
    assert "anders gemessen" not in world.page("?von=alt&bis=neu")
    assert pipeline.check_state(world.store.read_state("neu"), world.workshop.territory) is None


def test_a_state_that_lost_records_leads_to_no_other_figures(world: World) -> None:
    world.take("Alt")
    assert "Zahlen dieses Stands" in world.page()
    world.store.erase("ort-2", now=NOW)
    listed = world.page()
    assert "Zahlen dieses Stands" not in listed
    assert "Neu gemessen können seine Zahlen andere sein als die veröffentlichten" in listed
    page = unescape(world.client.get("/planung?stand=alt").text)
    assert "Aus diesem Stand wurde seither 1 Eintrag gelöscht" in page
    assert "die veröffentlichten Zahlen können andere sein" in page


def test_areas_of_a_state_that_lost_records_say_so_side_by_side(world: World) -> None:
    world.take("Alt")
    address = "/planung/gebiete?stand=alt&gebiet=07131&gebiet=07211"
    told = unescape(world.client.get(address).text)
    assert "Stand „Alt“ vom 23.11.2026" in told
    assert "neu gemessen" not in told
    world.store.erase("ort-2", now=NOW)
    told = unescape(world.client.get(address).text)
    assert "Aus diesem Stand wurde seither 1 Eintrag gelöscht" in told
    assert "die veröffentlichten Zahlen können andere sein" in told


def test_a_state_of_another_method_leads_to_no_other_figures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take("Alt")
    monkeypatch.setattr(state_choice, "METHOD", "99")
    listed = world.page()
    assert "Zahlen dieses Stands" not in listed
    assert "Die Methode hat sich seither geändert" in listed
    page = unescape(world.client.get("/planung?stand=alt").text)
    assert "Die Methode hat sich seither geändert" in page


def test_files_of_a_state_name_it(world: World) -> None:
    world.take("Bericht 2026-I")
    world.store.erase("ort-2", now=NOW)
    response = world.client.get("/planung/export.xlsx?stand=bericht-2026-i")
    assert "stand-bericht-2026-i" in response.headers["Content-Disposition"]
    book = openpyxl.load_workbook(io.BytesIO(response.data))
    said = {row[0]: row[1] for row in book["Methode"].iter_rows(values_only=True) if len(row) > 1}
    assert said["Stand"] == "„Bericht 2026-I“ vom 23.11.2026"
    assert "1 Eintrag gelöscht" in said["Gegenüber der Veröffentlichung"]


def test_picture_of_a_state_says_what_it_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take("Alt")
    world.store.erase("ort-2", now=NOW)
    drawn = []
    monkeypatch.setattr(
        "geo_service.web.planning.files.draw_choropleth",
        lambda picture, **_options: drawn.append(picture) or b"",
    )
    world.client.get("/planung/export.svg?stand=alt")
    world.client.get("/planung/export.svg")
    then, now = (" ".join(picture.notes) for picture in drawn)
    assert "Stand: „Alt“ vom 23.11.2026" in then
    assert "1 Eintrag gelöscht" in then
    assert "Stand:" not in now


def test_state_counts_its_own_people_and_knows_no_scenario(world: World) -> None:
    figures = {"07131": 900.0, "07211": 90.0}
    world.store.save_demand(Demand("probe", "Probe", "kreis", figures, "© Amt"), now=NOW)
    world.take("Alt", demand="probe")
    world.store.remove_demand("probe", now=NOW)
    page = world.client.get("/planung?stand=alt")
    assert "Menschen: „Probe“" in page.text
    for query in ("stand=nie", "stand=alt&neu=7.05,50.05,Treff"):
        response = world.client.get(f"/planung?{query}")
        assert response.status_code == 400
        assert "Angabe „stand“" in response.text


def test_people_of_then_are_named_where_their_figures_are_gone(world: World) -> None:
    figures = {"07131": 900.0, "07211": 90.0}
    world.store.save_demand(Demand("probe", "Probe", "kreis", figures, "© Amt"), now=NOW)
    world.take("Alt", demand="probe")
    assert "nicht mehr geladen" not in world.page("?von=alt")
    named = world.page("?von=alt&kennzahl=je10000")
    assert "Menschen: Probe." in named
    assert "Unterschied: Orte je 10.000 Menschen" in named
    assert "Einwohnerinnen" not in named


def test_areas_with_unknown_people_are_noted_in_table_and_map(world: World) -> None:
    figures = {"07131001": None, "07131002": 70.0, "07211000": 90.0}
    world.store.save_demand(Demand("probe", "Probe", "gemeinde", figures, "© Amt"), now=NOW)
    world.take("Alt", demand="probe")
    cells = cells_of(world.html("?von=alt&ebene=kreis"))
    values = world.client.get("/planung/vergleich/werte.json?von=alt&ebene=kreis").get_json()
    notes = {area[0]: "".join(area[8:]) for area in values["areas"]}
    for key, note in (("07131", "ohne 1 Gemeinde: Zahl unbekannt"), ("07211", "")):
        assert BELOW.findall(cells[key][3]) == [note][: bool(note)]
        assert notes[key] == note
    world.store.remove_demand("probe", now=NOW)
    page = world.page("?von=alt")
    assert "„Probe“ ist nicht mehr geladen; heute wird mit den Menschen von damals" in page


# ------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?von=nie", "Erwartet wird ein festgehaltener Stand (alt, neu); gekommen ist „nie“"),
        ("?von=alt&von=neu", "gekommen ist „alt, neu“"),
        ("?von=alt&bis=nie", "Angabe „bis“"),
        ("?von=alt&bis=alt", "Erwartet wird ein späterer Stand als „Alt“"),
        ("?von=neu&bis=alt", "gekommen ist „Alt“"),
        ("?von=alt&ebene=land", "Angabe „ebene“"),
        ("?von=%01%ff", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(world: World, query: str, told: str) -> None:
    world.take("Alt")
    world.take("Neu")
    assert told in world.page(query, 400)
    if query.startswith("?von=alt&bis"):
        assert world.client.get(f"/planung/vergleich/werte.json{query}").status_code == 400


def test_no_states_page_beyond_the_last_and_unknown_file_are_404(world: World) -> None:
    world.take("Alt")
    world.page("?von=alt&seite=2", 404)
    assert world.client.get("/planung/vergleich/export.pdf?von=alt").status_code == 404
    assert world.client.get("/planung/vergleich/export.csv").status_code == 404


def test_other_people_are_refused(world: World) -> None:
    world.take("Alt")
    figures = {"07131": 900.0, "07211": 90.0}
    world.store.save_demand(Demand("probe", "Probe", "kreis", figures, "© Amt"), now=NOW)
    world.take("Probe 2026", demand="probe")
    assert "zählt andere Menschen (alle Menschen)" in world.page("?von=alt&bis=probe-2026", 400)
    assert "Bedarf: Probe" in world.page("?von=probe-2026")


def test_other_boundaries_are_refused_with_the_reason(world: World) -> None:
    world.take("Alt")
    territory = dataclasses.replace(small_territory(), boundaries={"sha256": "0" * 64})
    client = app_of(world.store, territory).test_client()
    response = client.get("/planung/vergleich?von=alt")
    assert response.status_code == 400
    assert "„Alt“ ist in anderen Grenzen gemessen" in response.text
    listed = client.get("/planung/vergleich").text
    assert "In anderen Grenzen gemessen: Hier lassen sich seine Zahlen nicht zeigen." in listed
    assert "Zahlen dieses Stands" not in listed


def test_the_present_is_no_name_of_a_state(world: World) -> None:
    with pytest.raises(QueryError, match="which means the present"):
        world.take("Jetzt")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'x.db'}") as store:
        world = World(store)
        fill(store, initiatives_of([place(1)]))
        for number, vector in enumerate(VECTORS):
            if vector.isprintable():
                world.take(f"{number} {vector}"[:80])
        rows = [place(n, name=vector, id=f"ort-{n}") for n, vector in enumerate(VECTORS, 10)]
        fill(store, initiatives_of(rows))
        html = world.client.get(f"/planung/vergleich?von={store.states()[0].slug}").text
        scripts = re.findall(r"<script[^>]*>", html)
        assert all(" src=" in tag or "application/json" in tag for tag in scripts)
        assert not re.search(
            r'<(img (?!class="choropleth-image")|(svg on|iframe|base|style)\b)', html
        )
        assert unescape(html).count("window.pwned=1") > 20


# --------------------------------------------------------------------------------- files


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Store(f"sqlite:///{tmp_path_factory.mktemp('grown') / 'x.db'}") as store:
        made = World(store)
        fill(store, initiatives_of([place(1), place(2, coordinate_precision="municipality")]))
        made.take("Alt", radius_m=3_000.0)
        grow(made)
        yield made


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A place opens in Bdorf of which nothing but the town is known."""
    with Store(f"sqlite:///{tmp_path_factory.mktemp('doubtful') / 'x.db'}") as store:
        made = World(store)
        rough = {"coordinate_precision": "municipality"}
        fill(store, initiatives_of([place(1), place(2, **rough)]))
        made.take("Alt", radius_m=3_000.0)
        there = {"ags": "07131002", "point": (7.15, 50.05), **rough}
        fill(store, initiatives_of([place(1), place(2, **rough), place(3, **there)]))
        yield made


BELOW = re.compile(r'<span class="range[^"]*">(?:<span class="sr">[^<]*</span>)?([^<]*)</span>')


def cells_of(html: str) -> dict[str, list[str]]:
    """The cells of the table of areas as they are sent, by the area's key."""
    found = re.findall(r'<tr data-key="(\d+)">(.*?)</tr>', html)
    return {key: re.findall(r"<td.*?</td>", row) for key, row in found}


def rows_of(html: str) -> dict[str, list[str]]:
    """The cells of the table of areas, by the area's key, without what stands below a figure."""
    return {
        key: [unescape(re.sub(r"<[^>]+>", "", BELOW.sub("", cell))) for cell in cells]
        for key, cells in cells_of(html).items()
    }


@pytest.mark.parametrize("level", [*PLANNING_LEVELS])
@pytest.mark.parametrize("name", [*INDICATORS])
def test_page_and_files_have_the_same_numbers(grown: World, level: str, name: str) -> None:
    query = f"?von=alt&ebene={level}&kennzahl={name}"
    indicator = INDICATORS[name]
    page = rows_of(grown.client.get(f"/planung/vergleich{query}").text)
    table = grown.client.get(f"/planung/vergleich/export.csv{query}")
    rows = {row["key"]: row for row in csv.DictReader(io.StringIO(table.text, newline=""))}
    assert [*page]
    assert set(page) == set(rows)
    for key, cells in page.items():
        row = rows[key]

        def number(part: str, row: dict[str, str] = row) -> float:
            text = row[f"{indicator.column}_{part}"]
            return float(text) * indicator.scale if text else float("nan")

        assert cells[:2] == [value_text(number(side), indicator) for side in ("old", "new")]
        written = [
            difference_text(number(p), indicator) for p in ("change", "real", "data", "rest")
        ]
        assert [cells[2], *cells[4:7]] == written
        assert cells[3].startswith(CROSSING_NAMES.get(row["crossed"], ""))
        assert cells[7:] == [row[one] for one in ("places_old", "gained", "lost", "places_new")]
        data, real, rest = (number(part) for part in ("data", "real", "rest"))
        assert data + real + rest == pytest.approx(number("change"), nan_ok=True)


@pytest.mark.parametrize("name", ["anteil", "ausserhalb", "entfernung", "e2sfca"])
def test_page_map_and_files_have_the_same_ranges(doubtful: World, name: str) -> None:
    query = f"?von=alt&ebene=gemeinde&kennzahl={name}"
    indicator = INDICATORS[name]
    get = doubtful.client.get
    page = cells_of(get(f"/planung/vergleich{query}").text)
    values = json.loads(get(f"/planung/vergleich/werte.json{query}").data)
    areas = {area[0]: area for area in values["areas"]}
    table = get(f"/planung/vergleich/export.csv{query}")
    unsure = set()
    for row in csv.DictReader(io.StringIO(table.text, newline="")):
        low, value, high = (
            float(row[f"{indicator.column}_change{end}"]) * indicator.scale
            for end in ("_low", "", "_high")
        )
        below = [BELOW.findall(cell) for cell in page[row["key"]][:3]]
        between = difference_range(low, high, value, indicator)
        marked = row[f"{indicator.column}_unsure"] == "true"
        assert below[2] == [*filter(None, [between, "innerhalb der Unsicherheit" * marked])]
        for side, cell in zip(("old", "new"), below[:2], strict=True):
            least, figure, most = (
                float(row[f"{indicator.column}_{side}{end}"]) * indicator.scale
                for end in ("_low", "", "_high")
            )
            shown = range_text(least, most, value_text(figure, indicator), indicator)
            assert cell == [shown][: bool(shown)]
            assert not shown or f"[{shown}]" in areas[row["key"]][3]
        note = "".join(areas[row["key"]][8:])
        assert (f"Unterschied in 9 von 10 Lagen: {between}" in note) == bool(between)
        assert ("innerhalb der Unsicherheit" in note) == marked
        assert not marked or values["hatches"][areas[row["key"]][5]] == "uncertain"
        unsure |= {row["key"]} if marked else set()
    assert bool(unsure) == (name != "entfernung")  # a place more is never farther away


def test_summary_says_how_sure_the_differences_are(doubtful: World) -> None:
    page = doubtful.page("?von=alt&ebene=gemeinde")
    assert re.search(
        r"In 9 von 10 durchgerechneten Lagen der nur grob verorteten Orte sind es 0 bis \+[\d.]+"
        r" \([\d–]+ % statt [\d–]+ %\): Der Unterschied liegt innerhalb der Unsicherheit\.",
        page,
    )
    assert re.search(
        r"(Im einzigen Gebiet mit anderem Wert liegt|Von den \d Gebieten mit anderem Wert liegt bei"
        r" (einem|\d)) der Unterschied innerhalb der Unsicherheit: Je nachdem, wo die nur grob"
        r" verorteten Orte liegen, gibt es dort auch gar keinen\.",  # only places more
        page,
    )
    assert "keine sichere Veränderung vor Ort" in page
    without = doubtful.page("?von=alt&ebene=gemeinde&kennzahl=anzahl")
    assert "mit anderem Wert" not in without


def test_sure_differences_are_not_marked(grown: World) -> None:
    """The place that opened is exact: only its own town differs, whatever the rough one does."""
    page = grown.page("?von=alt&ebene=gemeinde")
    assert "mit anderem Wert liegt der Unterschied nicht innerhalb der Unsicherheit." in page
    assert "keine sichere Veränderung" not in page


def test_every_file_has_the_same_rows(grown: World) -> None:
    query = "?von=alt&ebene=gemeinde"
    get = grown.client.get
    table = get(f"/planung/vergleich/export.csv{query}")
    rows = [*csv.DictReader(io.StringIO(table.text, newline=""))]
    assert [*rows[0]] == [*EXPORT_COLUMNS]
    features = json.loads(get(f"/planung/vergleich/export.geojson{query}").data)["features"]
    book = openpyxl.load_workbook(
        io.BytesIO(get(f"/planung/vergleich/export.xlsx{query}").data), read_only=True
    )
    heading, *cells = book["Werte"].iter_rows(values_only=True)
    assert heading == tuple(column.label for column in EXPORT_COLUMNS.values())
    words = {**CROSSING_NAMES, **PART_NAMES, "gap": "Lücke", "no_gap": "keine Lücke"}
    words |= {"true": "ja", "false": "nein"}
    for row, feature, line in zip(rows, features, cells, strict=True):
        properties = feature["properties"]
        for (column, text), cell in zip(row.items(), line, strict=True):
            known = properties.get(column)
            assert text == ("" if known is None else plain(known)), column
            if isinstance(cell, float):  # a workbook keeps 16 digits
                assert cell == pytest.approx(float(text), rel=1e-15), column
            else:
                told = text if column in {"key", "name"} else words.get(text, text)
                assert told == plain(cell), column
    assert "vergleich-alt-jetzt-gemeinde-2026-11-23.csv" in table.headers["Content-Disposition"]
    assert "Verglichen" in [row[0] for row in book["Methode"].iter_rows(values_only=True)]


def plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def test_records_are_a_file_that_no_spreadsheet_runs(world: World) -> None:
    world.take("Alt")
    fill(world.store, initiatives_of([place(7, name="=cmd()", ags=CSTADT, point=CENTRE)]))
    response = world.client.get("/planung/vergleich/eintraege.csv?von=alt")
    (row,) = csv.DictReader(io.StringIO(response.text, newline=""))
    assert (row["name"], row["kinds"], row["ags_new"]) == ("'=cmd()", "added", CSTADT)


def test_file_of_no_changed_records_has_its_heading(world: World) -> None:
    world.take("Alt")
    address = "/planung/vergleich/eintraege.csv?von=alt"
    unchanged = world.client.get(address).text
    assert unchanged == "id,name,kinds,art,ags_old,ags_new,moved_m\r\n"
    fill(world.store, initiatives_of([place(7, ags=CSTADT, point=CENTRE)]))
    assert world.client.get(address).text.startswith(unchanged)


def test_map_and_table_have_the_same_figures_and_shades(grown: World) -> None:
    query = "?von=alt&ebene=gemeinde"
    html = grown.client.get(f"/planung/vergleich{query}").text
    page = rows_of(html)
    values = json.loads(grown.client.get(f"/planung/vergleich/werte.json{query}").data)
    shades = dict(re.findall(r'data-key="(\d+)".*?klasse-(\d)', html))
    assert {area[0]: str(area[4]) for area in values["areas"]} == shades
    for key, _, change, between, *_ in values["areas"]:
        assert change.removesuffix(" Prozentpunkte") == page[key][2]
        assert re.sub(r" \[.*?\]", "", between) == " → ".join(page[key][:2])
    address = unescape(re.findall(r'data-borders="([^"]+)"', html)[0])
    borders = json.loads(grown.client.get(address).data)
    assert {area[0] for area in borders["areas"]} == set(page)


# --------------------------------------------------------------------------- differences


def test_differences_are_classed_around_none_by_what_is_better() -> None:
    values = np.array([40.0, 30.0, 1.0, 0.04, 0.0, -2.0, np.nan])
    share = differences_of(values, INDICATORS["anteil"])
    assert share.shades.tolist() == [1, 1, 2, 2, 3, 4, 0]
    assert [(one.shade, one.label, one.count) for one in share.legend] == [
        (4, "schlechter um weniger als 20 Prozentpunkte", 1),
        (3, "unverändert", 1),
        (2, "besser um weniger als 20 Prozentpunkte", 2),
        (1, "besser um 20 Prozentpunkte oder mehr", 2),
    ]
    far = differences_of(values, INDICATORS["entfernung"])
    assert far.shades.tolist()[:3] == [5, 5, 4]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ausserhalb", 0.5, "+1"),
        ("ausserhalb", 2.5, "+3"),
        ("ausserhalb", -0.5, "−1"),
        ("ausserhalb", 0.4999, "+0,5"),
        ("ausserhalb", -0.0004, "Abnahme unter 0,001"),
        ("ausserhalb", 1e-9, "0"),
        ("anteil", 0.05, "+0,1"),
        ("e2sfca", 1.005, "+1,01"),
        ("entfernung", -0.125, "−0,13"),
    ],
)
def test_differences_are_rounded_like_every_other_number(
    name: str, value: float, text: str
) -> None:
    assert difference_text(value, INDICATORS[name]) == text
    same = differences_of(np.array([value]), INDICATORS[name]).shades.tolist() == [3]
    assert same == (text == "0")


def test_no_difference_at_all_is_one_class() -> None:
    found = differences_of(np.zeros(3), INDICATORS["anzahl"])
    assert [(one.shade, one.count) for one in found.legend] == [(3, 3)]


def test_colours_of_the_map_are_those_of_the_palette() -> None:
    style = Path(compare.__file__).parents[2] / "static" / "css" / "planning.css"
    text = style.read_text("utf-8")
    colours = dict(re.findall(r"--unterschied-(\d): (#\w{6})", text))
    assert [colours[str(shade)] for shade in range(1, 6)] == [*DIVERGING[::-1]]
    assert all(f"--klasse-{n}: var(--unterschied-{n});" in text for n in range(1, 6))


def test_export_columns_are_those_of_the_changes(grown: World) -> None:
    table = grown.client.get("/planung/vergleich/export.csv?von=alt").text
    frame = pd.read_csv(io.StringIO(table))
    assert set(EXPORT_COLUMNS) == set(frame.columns)


def test_every_address_of_the_planners_is_documented(world: World) -> None:
    """Each route below /planung but scripts stands in docs/planning.md or docs/states.md."""
    folder = Path(__file__).resolve().parents[1] / "docs"
    text = "".join((folder / f"{name}.md").read_text("utf-8") for name in ("planning", "states"))
    rules = [rule.rule for rule in world.client.application.url_map.iter_rules()]
    missing = [
        rule
        for rule in rules
        if rule.startswith("/planung/")
        and not rule.endswith(".js")
        and not re.search(_either(rule.removeprefix("/planung/")), text)
    ]
    assert not missing


def _either(rule: str) -> str:
    """What an address reads like in a document: with a word for what varies, or its name."""
    return r"(<\w+>|\w+)".join(re.escape(part) for part in re.split(r"<[^>]+>", rule))
