"""Scenarios: an address to a value and back, and the places that would be."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from web_helpers import VECTORS, initiatives_of, place, small_land

from geo_service.municipalities import MunicipalityIndex
from geo_service.scenarios import (
    MAX_CHANGES,
    MAX_NAME,
    PARAMETERS,
    AddedPlace,
    MovedPlace,
    Scenario,
    ScenarioError,
    apply_scenario,
    read_scenario,
    scenario_pairs,
)
from geo_service.schema import Initiatives

TODAY = dt.date(2026, 11, 23)
AHEIM, BDORF, CSTADT = "07131001", "07131002", "07211000"
find_ags = MunicipalityIndex(small_land()).find


def read_back(pairs: list[tuple[str, str]]) -> Scenario:
    texts = {name: [text for key, text in pairs if key == name] for name in PARAMETERS}
    return read_scenario(
        added=texts["neu"],
        moved=texts["verlegt"],
        removed=texts["ohne"],
        title="".join(texts["titel"]),
    )


def planned(scenario: Scenario, places: Initiatives | None = None, **given: object) -> Initiatives:
    places = initiatives_of([place(1), place(2), place(3)]) if places is None else places
    return apply_scenario(places, scenario, find_ags=find_ags, **given)  # type: ignore[arg-type]


LON = st.floats(-180, 180, allow_nan=False)
LAT = st.floats(-90, 90, allow_nan=False)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20)
SCENARIOS = st.builds(
    lambda title, added, ids: Scenario(
        title,
        tuple(AddedPlace(*one) for one in added),
        tuple(MovedPlace(one, 7.0, 50.0) for one in ids[::2]),
        tuple(ids[1::2]),
    ),
    st.text(max_size=90),
    st.lists(st.tuples(LON, LAT, st.text(max_size=90)), max_size=6),
    st.lists(IDS, unique=True, max_size=6),
)


@given(SCENARIOS)
@example(Scenario(added=(AddedPlace(7.0, 50.0, "a,b,,c"),), moved=(MovedPlace("a,b,1", 7.0, 50),)))
@example(Scenario(added=(AddedPlace(-0.000001, 0.0),)))
def test_address_of_a_scenario_reads_back(scenario: Scenario) -> None:
    pairs = scenario_pairs(scenario)
    assert read_back(pairs) == scenario
    assert scenario_pairs(read_back(pairs)) == pairs


def test_order_and_spelling_do_not_matter() -> None:
    one = read_scenario(added=["7.10,50.0500,B", "7.05,50.05,A"], removed=["ort-2", "ort-1"])
    other = read_scenario(added=["7.05,50.05, A", "7.1,50.05,B"], removed=["ort-1", "ort-2", " "])
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize("text", VECTORS)
def test_hostile_names_stay_short_lines_of_text(text: str) -> None:
    scenario = read_scenario(added=[f"7.05,50.05,{text * 9}"], title=text * 9)
    assert len(scenario.added[0].name) <= MAX_NAME
    assert len(scenario.title) <= MAX_NAME
    assert "\n" not in scenario.title
    assert "\u202e" not in scenario.title
    assert read_back(scenario_pairs(scenario)) == scenario


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        ("neu", "7.05"),
        ("neu", "x,50.05"),
        ("neu", "7.05;50.05"),
        ("neu", "nan,50"),
        ("neu", "7e0,50"),
        ("neu", "181,50"),
        ("neu", "7,-91"),
        ("neu", "7.05\u0661,50"),
        ("verlegt", "ort-1,7.05"),
        ("verlegt", ",7.05,50.05"),
        ("ohne", "x" * 201),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(parameter: str, text: str) -> None:
    word = {"neu": "added", "verlegt": "moved", "ohne": "removed"}[parameter]
    with pytest.raises(ScenarioError, match=f"„{parameter}“: Erwartet wird") as caught:
        read_scenario(**{word: [text]})  # type: ignore[arg-type]
    assert caught.value.parameter == parameter
    assert text[:40] in str(caught.value)


def test_too_many_changes_are_refused() -> None:
    texts = [f"7.05,50.05,{n}" for n in range(MAX_CHANGES)]
    assert len(read_scenario(added=texts)) == MAX_CHANGES
    with pytest.raises(ScenarioError, match="höchstens 50"):
        read_scenario(added=texts, removed=["ort-1"])
    assert len(read_scenario(removed=["ort-1"] * 60)) == 1


@pytest.mark.parametrize(
    "given", [{"moved": ["a,7,50", "a,7,51"]}, {"moved": ["a,7,50"], "removed": ["a"]}]
)
def test_one_record_is_changed_once(given: dict[str, list[str]]) -> None:
    with pytest.raises(ScenarioError, match="nur einmal"):
        read_scenario(**given)  # type: ignore[arg-type]


def test_added_place_is_an_exact_point_that_passes_the_question() -> None:
    scenario = Scenario(added=(AddedPlace(7.15, 50.05, "Neu"), AddedPlace(7.25, 50.05)))
    table = planned(scenario, category="Begegnungscafé", theme="Sprache", today=TODAY)
    assert len(table) == 5
    new = table.iloc[3:]
    assert new["name"].tolist() == ["Neu", "Neuer Ort 2"]
    assert new["ags"].tolist() == [BDORF, CSTADT]
    assert new["coordinate_precision"].tolist() == ["address"] * 2
    assert new["coordinate_source"].tolist() == ["Szenario"] * 2
    assert new["source_date"].tolist() == ["2026-11-23"] * 2
    assert new["category"].tolist() == ["Begegnungscafé"] * 2
    assert new["theme"].tolist() == ["Sprache"] * 2
    assert new.geometry.x.tolist() == [7.15, 7.25]
    assert new.geometry.y.tolist() == [50.05, 50.05]


def test_moved_place_keeps_all_but_its_position() -> None:
    places = initiatives_of([place(1, coordinate_precision="municipality"), place(2)])
    table = planned(Scenario(moved=(MovedPlace("ort-1", 7.15, 50.06),)), places, today=TODAY)
    assert table["ags"].tolist() == [BDORF, AHEIM]
    assert table["coordinate_precision"].tolist() == ["address", "address"]
    assert (table.geometry.x[0], table.geometry.y[0]) == (7.15, 50.06)
    kept = ["id", "name", "category", "theme", "source", "source_date", "confirmed_on", "city"]
    assert table[kept].equals(places[kept])
    assert table.iloc[1].drop("geometry").equals(places.iloc[1].drop("geometry"))
    assert places["ags"].tolist() == [AHEIM, AHEIM]  # the argument stays


def test_record_without_a_point_gets_one_when_moved() -> None:
    places = initiatives_of([place(1, point=None)])
    table = planned(Scenario(moved=(MovedPlace("ort-1", 7.25, 50.05),)), places)
    assert table["ags"].tolist() == [CSTADT]
    assert table["coordinate_status"].tolist() == ["found"]


def test_removed_place_is_gone() -> None:
    table = planned(Scenario(removed=("ort-2",)))
    assert table["id"].tolist() == ["ort-1", "ort-3"]
    assert table.index.tolist() == [0, 1]
    assert len(planned(Scenario(removed=("ort-1", "ort-2", "ort-3")))) == 0


def test_all_places_may_be_new() -> None:
    table = planned(Scenario(added=(AddedPlace(7.05, 50.05),)), initiatives_of([]))
    assert table["ags"].tolist() == [AHEIM]


def test_ids_of_new_places_are_free() -> None:
    places = initiatives_of([place(1, id="szenario-1")])
    table = planned(Scenario(added=(AddedPlace(7.05, 50.05),)), places)
    assert table["id"].tolist() == ["szenario-1", "szenario-2"]


def test_empty_scenario_changes_nothing() -> None:
    places = initiatives_of([place(1), place(2, point=None)])
    assert planned(Scenario("nur ein Name"), places).equals(places)


@pytest.mark.parametrize(
    ("scenario", "parameter", "named"),
    [
        (Scenario(removed=("ort-9",)), "ohne", "ort-9"),
        (Scenario(moved=(MovedPlace("ort-9", 7.05, 50.05),)), "verlegt", "ort-9"),
        (Scenario(moved=(MovedPlace("ort-1", 9.5, 50.05),)), "verlegt", "9.5,50.05"),
        (Scenario(added=(AddedPlace(7.05, 50.05), AddedPlace(0, 0))), "neu", "0,0"),
    ],
)
def test_what_cannot_be_done_is_refused_and_named(
    scenario: Scenario, parameter: str, named: str
) -> None:
    with pytest.raises(ScenarioError, match=named) as caught:
        planned(scenario)
    assert caught.value.parameter == parameter
