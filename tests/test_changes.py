"""Two states side by side: what really changed, what is only known better, and the sums."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import coverage_world as world
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service import pipeline, snapshot
from geo_service.changes import INDICATORS, PARTS, RANGED, Changes, compare_states
from geo_service.cli import main
from geo_service.cli.printing import print_changes
from geo_service.coverage import (
    CoverageParameters,
    Ground,
    Sample,
    Terrain,
    compute_levels,
    measure_change,
    select_places,
)
from geo_service.errors import QueryError
from geo_service.schema import LEVELS, Demand, Initiatives, Population
from geo_service.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from geo_service.pipeline import Workshop
    from geo_service.schema import Coverage, Level

LAND = world.three_squares()
TODAY = dt.date(2026, 11, 23)
NOW = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)
PEOPLE = world.people_at(
    [
        (world.A, 1000, 5000, 100),
        (world.A, 9000, 5000, 300),
        (world.B, 15_000, 5000, 70),
        (world.C, 25_000, 5000, 600),
    ]
)
PARAMETERS = CoverageParameters(radius_m=2000)


@dataclass
class Side:
    """A state of the small world."""

    name: str
    initiatives: Initiatives
    population: Population = PEOPLE
    today: dt.date = TODAY
    parameters: CoverageParameters = PARAMETERS
    boundaries: Mapping[str, str] = field(default_factory=lambda: {"sha256": "a"})
    erased: int = 0
    results: Mapping[Level, Coverage] = field(init=False)

    def __post_init__(self) -> None:
        self.results = self.measure(self.initiatives)

    @property
    def sample(self) -> Sample:
        return Sample(self.initiatives, Terrain.of(Ground(LAND), self.population), self.today)

    def measure(self, initiatives: Initiatives) -> Mapping[Level, Coverage]:
        return compute_levels(
            initiatives, LAND, self.population, parameters=self.parameters, today=self.today
        )


def compare(old: Side, new: Side) -> Changes:
    sides = {"old": old, "new": new}
    return compare_states(
        old,
        new,
        LAND,
        measure=lambda initiatives, side: sides[side].measure(initiatives),
        spread=lambda: measure_change(old.sample, new.sample, parameters=old.parameters),
        counts=lambda initiatives, side: select_places(
            initiatives, sides[side].parameters, today=sides[side].today
        ),
    )


def of(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], **options: Any
) -> Changes:
    return compare(Side("alt", world.places(before)), Side("neu", world.places(after), **options))


def area(found: Changes, level: Level, key: str) -> dict[Any, Any]:
    table = found.areas[level].set_index("key")
    return dict(table.loc[key])


def parts(row: Mapping[Any, Any], name: str) -> tuple[float, ...]:
    return tuple(float(row[f"{name}_{part}"]) for part in ("change", *PARTS))


# -------------------------------------------------------------------------------- records

HOME: dict[str, Any] = {
    "id": "x",
    "at": (1000, 5000),
    "street": "Hauptstraße",
    "house_number": "5",
    "postcode": "55001",
    "city": "Adorf",
    "municipality": "Adorf",
    "confirmed_on": "2025-01-01",
}
FAR = {"at": (8000, 5000)}


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({}, None),
        ({"source_line": 77, "coordinate_date": "2027-01-01"}, None),
        ({"name": "Neuer Name"}, ("reworded",)),
        ({"opening_hours": "Mo 10-12"}, ("reworded",)),
        ({"street": "Haupt-Str."}, ("reworded",)),
        ({"confirmed_on": "2026-05-01"}, ("confirmed",)),
        ({"source_date": "2026"}, ("confirmed",)),
        ({"confirmed_on": None}, None),
        ({"category": "Begegnungscafé"}, ("recategorised",)),
        ({"theme": "Begegnungsorte"}, ("recategorised",)),
        ({"at": (1000, 5001)}, ("better_coordinate",)),
        ({"coordinate_precision": "street"}, ("rougher_coordinate",)),
        ({"at": None}, ("rougher_coordinate",)),
        ({"street": "Nebenstraße", **FAR}, ("moved", "reworded")),
        ({"house_number": "7", **FAR}, ("moved", "reworded")),
        ({"postcode": "55009"}, ("reworded",)),
        ({"city": "Adorf-Nord", "at": (1500, 5000)}, ("better_coordinate", "reworded")),
        ({"city": "Zestadt", "municipality": "Zestadt", "at": (25_000, 5000)},
         ("moved", "reworded")),
        ({"at": (15_000, 5000)}, ("better_coordinate",)),
        ({"street": "Nebenweg", "confirmed_on": "2026-05-01", **FAR},
         ("moved", "confirmed", "reworded")),
    ],
)  # fmt: skip
def test_change_of_a_record_has_its_kinds(
    changed: dict[str, Any], kinds: tuple[str, ...] | None
) -> None:
    found = of([HOME], [HOME | changed]).records
    assert [record.kinds for record in found] == ([] if kinds is None else [kinds])


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("municipality", "address", "better_coordinate"),
        ("postcode", "street", "better_coordinate"),
        ("address", "locality", "rougher_coordinate"),
    ],
)
def test_finer_point_is_a_better_coordinate(before: str, after: str, kind: str) -> None:
    one, two = (HOME | {"coordinate_precision": precision} for precision in (before, after))
    assert of([one], [two | {"at": (1200, 5000)}]).records[0].kinds == (kind,)


def test_address_that_was_not_stated_before_is_no_move() -> None:
    rough = HOME | {"street": None, "house_number": None, "coordinate_precision": "municipality"}
    (record,) = of([rough], [HOME | FAR]).records
    assert record.kinds == ("better_coordinate", "reworded")
    assert not record.real
    assert record.distance_m == pytest.approx(7000, rel=1e-6)


def test_other_postcode_is_a_move_where_no_street_says_it_is_the_same_house() -> None:
    rough = HOME | {"street": None, "house_number": None}
    assert "moved" in of([rough], [rough | {"postcode": "55009", **FAR}]).records[0].kinds


def test_added_and_gone_records_are_real_and_have_their_place() -> None:
    gone, added = of([HOME], [HOME | {"id": "y"}]).records
    assert (gone.kinds, gone.old_ags, gone.new_ags, gone.real) == (("gone",), world.A, None, True)
    assert (added.kinds, added.old_ags, added.new_ags) == (("added",), None, world.A)


# ---------------------------------------------------------------------------------- areas


def test_state_beside_itself_has_no_change() -> None:
    found = of([HOME], [HOME])
    assert found.records == ()
    for level in LEVELS:
        table = found.areas[level]
        assert (table[["gained", "lost"]] == 0).all(axis=None)
        assert table["crossed"].isna().all()
        for name in INDICATORS:
            for part in ("change", *PARTS):
                assert (table[f"{name}_{part}"].fillna(0) == 0).all(), (name, part)


def test_new_coordinate_is_better_data_and_nothing_else() -> None:
    """The place stood at A's west end on paper, 100 people near; it stands at the east, 300."""
    rough = {"id": "x", "at": (1000, 5000), "coordinate_precision": "municipality"}
    fine = rough | {"at": (9000, 5000), "coordinate_precision": "address"}
    row = area(of([rough], [fine]), "gemeinde", world.A)
    assert parts(row, "people_reached") == (200, 200, 0, 0)
    assert parts(row, "places") == (0, 0, 0, 0)
    assert (row["crossed"], row["crossed_by"]) == ("no_longer_gap", "data")
    assert (row["gap_old"], row["gap_new"]) == (True, False)


def test_opened_place_is_a_real_change_and_nothing_else() -> None:
    opened = {"id": "y", "at": (15_000, 5000)}
    found = of([{"id": "x", "at": (1000, 5000)}], [{"id": "x", "at": (1000, 5000)}, opened])
    row = area(found, "gemeinde", world.B)
    assert parts(row, "people_reached") == (70, 0, 70, 0)
    assert (row["places_old"], row["places_new"], row["gained"], row["lost"]) == (0, 1, 1, 0)
    assert (row["crossed"], row["crossed_by"]) == ("no_longer_gap", "real")
    assert pd.isna(area(found, "gemeinde", world.A)["crossed"])


def test_place_that_moved_away_is_gained_there_and_lost_here() -> None:
    before = {"id": "x", "at": (9000, 5000), "street": "Ring", "city": "Adorf"}
    after = {"id": "x", "at": (25_000, 5000), "street": "Allee", "city": "Zestadt"}
    found = of([before], [after])
    here, there = (area(found, "kreis", key) for key in ("07001", "07002"))
    assert (here["gained"], here["lost"], there["gained"], there["lost"]) == (0, 1, 1, 0)
    assert parts(here, "people_reached") == (-300, 0, -300, 0)
    assert parts(there, "people_reached") == (600, 0, 600, 0)
    assert (here["crossed"], there["crossed"]) == ("became_gap", "no_longer_gap")


def test_better_data_and_real_change_are_told_apart_within_one_area() -> None:
    rough = {"id": "x", "at": (5000, 9000), "coordinate_precision": "municipality"}
    fine = rough | {"at": (9000, 5000), "coordinate_precision": "address"}
    found = of([rough], [fine, {"id": "y", "at": (1000, 5000)}])
    assert parts(area(found, "gemeinde", world.A), "people_reached") == (400, 300, 100, 0)


def test_other_figures_of_people_are_neither() -> None:
    more = dataclasses.replace(PEOPLE, people=PEOPLE.people * 2)
    opened = [HOME, {"id": "y", "at": (9000, 5000)}]
    row = area(of([HOME], opened, population=more), "gemeinde", world.A)
    assert parts(row, "people_reached") == (700, 0, 300, 400)


def test_record_that_was_erased_is_neither() -> None:
    """It is gone from both states; the old figures still have it."""
    kept, erased = {"id": "x", "at": (1000, 5000)}, {"id": "y", "at": (9000, 5000)}
    old = Side("alt", world.places([kept, erased]))
    old.initiatives, old.erased = world.places([kept]), 1
    found = compare(old, Side("neu", world.places([kept])))
    assert (found.records, found.erased_old, found.erased_new) == ((), 1, 0)
    assert parts(area(found, "gemeinde", world.A), "people_reached") == (-300, 0, 0, -300)


def test_record_that_grew_too_old_to_count_is_neither() -> None:
    old_place = HOME | {"confirmed_on": "2025-06-01"}
    current = CoverageParameters(radius_m=2000, current_within_months=12)
    before = Side("alt", world.places([old_place]), today=dt.date(2026, 1, 1), parameters=current)
    after = Side("neu", world.places([old_place]), today=dt.date(2026, 11, 1), parameters=current)
    row = area(compare(before, after), "gemeinde", world.A)
    assert parts(row, "places") == (-1, 0, 0, -1)
    assert row["lost"] == 1


def test_other_boundaries_leave_the_stored_figures_and_no_parts() -> None:
    found = of([HOME], [HOME, {"id": "y", "at": (9000, 5000)}], boundaries={"sha256": "b"})
    row = area(found, "gemeinde", world.A)
    assert found.boundaries_changed
    assert (row["people_reached_old"], row["people_reached_new"]) == (100, 400)
    assert row["people_reached_change"] == 300
    assert np.isnan(parts(row, "people_reached")[1:]).all()
    assert pd.isna(row["gained"])
    assert (row["crossed"], pd.isna(row["crossed_by"])) == ("no_longer_gap", True)


def test_figure_that_one_side_does_not_know_has_no_difference() -> None:
    row = area(of([], [HOME]), "gemeinde", world.A)
    assert np.isnan(row["nearest_mean_m_change"])
    assert row["places_change"] == 1


ROUGH = {"id": "x", "at": (1000, 5000), "coordinate_precision": "municipality"}


def ends(row: Mapping[Any, Any], name: str) -> list[tuple[float, float]]:
    return [(row[f"{name}_{of}_low"], row[f"{name}_{of}_high"]) for of in ("old", "new", "change")]


def test_exact_place_beside_a_rough_one_is_a_sure_difference() -> None:
    """Where the rough one stands, it stands in both states: the range is of the gain alone."""
    found = of([ROUGH], [ROUGH, {"id": "y", "at": (15_000, 5000)}])
    here, there = (area(found, "gemeinde", key) for key in (world.B, world.A))
    assert ends(here, "people_reached") == [(0, 0), (70, 70), (70, 70)]
    assert not here["people_reached_unsure"]
    assert ends(there, "people_reached")[0] == ends(there, "people_reached")[1]
    assert ends(there, "people_reached")[0][1] > 100
    assert ends(there, "people_reached")[2] == (0, 0)
    assert not there["people_reached_unsure"]


def test_difference_is_unsure_where_none_lies_within_its_range() -> None:
    """On paper the second rough place adds 300 people; where both stand nobody knows."""
    second = ROUGH | {"id": "y", "at": (9000, 5000)}
    row = area(of([ROUGH], [ROUGH, second]), "gemeinde", world.A)
    assert row["people_reached_change"] == 300
    assert ends(row, "people_reached")[2] == (0, 300)
    assert row["people_reached_unsure"]
    assert row["share_reached_unsure"]


def test_ranges_of_values_are_those_measured() -> None:
    before, after = (Side(name, world.places(rows)) for name, rows in (("a", [ROUGH]), ("b", [])))
    for level in LEVELS:
        table = compare(before, after).areas[level].set_index("key")
        for side, state in (("old", before), ("new", after)):
            known = pd.DataFrame(state.results[level]).set_index("key")
            for name, end in (("share_reached", "share"), ("people_beyond", "beyond")):
                for which in ("low", "high"):
                    expected = known[f"{end}_{which}"]
                    found = table[f"{name}_{side}_{which}"]
                    pd.testing.assert_series_equal(found, expected, check_names=False)


def test_erased_record_shifts_the_range_of_the_difference() -> None:
    old = Side("alt", world.places([ROUGH, {"id": "y", "at": (25_000, 5000)}]))
    old.initiatives, old.erased = world.places([ROUGH]), 1
    row = area(compare(old, Side("neu", world.places([ROUGH]))), "gemeinde", world.C)
    assert ends(row, "people_reached")[2] == (-600, -600)


def test_other_boundaries_leave_no_range_of_a_difference() -> None:
    row = area(of([ROUGH], [HOME], boundaries={"sha256": "b"}), "gemeinde", world.A)
    assert np.isnan(ends(row, "share_reached")[2]).all()
    assert pd.isna(row["share_reached_unsure"])
    assert ends(row, "share_reached")[0][1] > 0


PLACES = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.integers(0, 29_999),
        st.integers(0, 9_999),
        st.sampled_from([None, "Ring", "Allee"]),
        st.sampled_from(["address", "municipality"]),
    ),
    max_size=6,
    unique_by=lambda place: place[0],
)


def rows_of(chosen: list[tuple[str, int, int, str | None, str]]) -> list[dict[str, Any]]:
    return [
        {"id": key, "at": (x, y), "street": street, "coordinate_precision": precision}
        for key, x, y, street, precision in sorted(chosen)
    ]


@settings(max_examples=25, deadline=None)
@given(before=PLACES, after=PLACES, factor=st.sampled_from([1.0, 1.1]))
def test_parts_add_up_exactly_and_to_the_difference(
    before: list[Any], after: list[Any], factor: float
) -> None:
    people = dataclasses.replace(PEOPLE, people=PEOPLE.people * factor)
    found = of(rows_of(before), rows_of(after), population=people)
    any_real = any(record.real for record in found.records)
    for level in LEVELS:
        table = found.areas[level]
        assert (table["gained"] - table["lost"] == table["places_new"] - table["places_old"]).all()
        for name in INDICATORS:
            data, real, rest = (table[f"{name}_{part}"] for part in PARTS)
            change = table[f"{name}_change"]
            pd.testing.assert_series_equal(
                (data + real) + rest, change, check_exact=True, check_names=False
            )
            difference = table[f"{name}_new"] - table[f"{name}_old"]
            np.testing.assert_allclose(change, difference, rtol=1e-9, atol=1e-9)
            assert factor != 1.0 or (rest.fillna(0) == 0).all()
            assert any_real or (real.fillna(0) == 0).all()
        for name in RANGED:
            low, high = (table[f"{name}_change_{end}"] for end in ("low", "high"))
            change = table[f"{name}_change"]
            assert (low.isna() == change.isna()).all()
            assert ((low <= change) & (change <= high) | change.isna()).all()


# --------------------------------------------------------------------- states and commands


@pytest.fixture
def two_states(workshop: Workshop, example_file: Path, tmp_path: Path) -> Workshop:
    """A state of the examples, and one with a place more."""
    pipeline.import_file(example_file, workshop, today=TODAY)
    pipeline.take_state(workshop, name="Alt", parameters=PARAMETERS, today=TODAY)
    other = tmp_path / "neue.csv"
    other.write_text("name,category,city\nNeuer Treff,Begegnungsort,Idar-Oberstein\n", "utf-8")
    pipeline.import_file(other, workshop, today=TODAY)
    pipeline.take_state(workshop, name="Neu", parameters=PARAMETERS, today=TODAY)
    return workshop


def test_states_of_the_store_are_compared_with_each_other_and_with_today(
    two_states: Workshop,
) -> None:
    store, territory = two_states.store, two_states.territory
    old, new = store.read_state("Alt"), store.read_state("Neu")
    with_state = snapshot.compare(old, new, today=TODAY, territory=territory)
    now = Snapshot.of(store.read(), territory)
    with_today = snapshot.compare(old, now, today=TODAY, territory=territory)
    assert (with_state.new, with_today.new) == ("Neu", "jetzt")
    assert with_state.records == with_today.records
    assert [record.kinds for record in with_state.records] == [("added",)]
    for level in LEVELS:
        pd.testing.assert_frame_equal(with_state.areas[level], with_today.areas[level])
    land = area(with_state, "land", "07")
    assert parts(land, "places") == (1, 0, 1, 0)
    change, data, real, rest = parts(land, "people_reached")
    assert (data, rest) == (0, 0)
    assert change == real


def test_states_of_other_parameters_are_measured_with_those_of_the_first(
    two_states: Workshop,
) -> None:
    store, territory = two_states.store, two_states.territory
    wider = CoverageParameters(radius_m=9000)
    pipeline.take_state(two_states, name="Weit", parameters=wider, today=TODAY)
    old, new, wide = (store.read_state(name) for name in ("Alt", "Neu", "Weit"))
    usual = snapshot.compare(old, new, today=TODAY, territory=territory)
    again = snapshot.compare(old, wide, today=TODAY, territory=territory)
    for level in LEVELS:
        pd.testing.assert_frame_equal(usual.areas[level], again.areas[level])
    lost = dataclasses.replace(wide, boundaries={"sha256": "0"})
    with pytest.raises(QueryError, match="expected the parameters of 'Alt'"):
        snapshot.compare(old, lost, today=TODAY, territory=territory)


def test_difference_of_the_method_is_neither(two_states: Workshop) -> None:
    old, new = (two_states.store.read_state(name) for name in ("Alt", "Neu"))
    land = old.results["land"].assign(people_reached=lambda table: table["people_reached"] + 10)
    earlier = dataclasses.replace(old, method="0", results={**old.results, "land": land})
    both = [
        area(
            snapshot.compare(state, new, today=TODAY, territory=two_states.territory), "land", "07"
        )
        for state in (old, earlier)
    ]
    now, then = (parts(row, "people_reached") for row in both)
    assert now[3] == 0
    assert then[1:] == (now[1], now[2], -10)


def test_states_of_other_people_are_not_compared(two_states: Workshop) -> None:
    old, new = (two_states.store.read_state(name) for name in ("Alt", "Neu"))
    people = dataclasses.replace(new.population, name="Schutzsuchende")
    other = dataclasses.replace(new, population=people)
    with pytest.raises(QueryError, match="expected both of the same people"):
        snapshot.compare(old, other, today=TODAY, territory=two_states.territory)


@pytest.mark.parametrize("loaded", [True, False])
def test_state_of_a_demand_is_compared_with_today_among_its_people(
    workshop: Workshop, example_file: Path, loaded: bool
) -> None:
    """Where the demand is no longer loaded, among those of then."""
    pipeline.import_file(example_file, workshop, today=TODAY)
    keys = sorted(workshop.territory.municipalities["kreis_key"].unique())
    demand = Demand("probe", "Probe", "kreis", dict.fromkeys(keys, 70.0), "© Amt")
    workshop.store.save_demand(demand, now=NOW)
    pipeline.take_state(
        workshop, name="Alt", parameters=PARAMETERS, today=TODAY, demand_slug="probe"
    )
    doubled = dataclasses.replace(demand, figures=dict.fromkeys(keys, 140.0))
    if loaded:
        workshop.store.save_demand(doubled, now=NOW)
    else:
        workshop.store.remove_demand("probe", now=NOW)
    now = Snapshot.of(workshop.store.read(), workshop.territory)
    old = workshop.store.read_state("Alt")
    found = snapshot.compare(old, now, today=TODAY, territory=workshop.territory)
    land = area(found, "land", "07")
    reached = land["people_reached_old"]
    assert land["people_reached_new"] == pytest.approx(reached * (2 if loaded else 1))
    assert parts(land, "people_reached")[1:3] == (0, 0)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    return int(ended.value.code or 0), output.out, output.err


def test_part_of_a_person_is_printed_as_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    few = world.people_at([(world.A, 1000, 5000, 3), (world.C, 25_000, 5000, 0.4)])
    there, more = {"id": "x", "at": (1000, 5000)}, {"id": "y", "at": (1000, 5100)}
    nearer = {"id": "z", "at": (24_900, 9900)}  # too far from anyone in C, within 2 km of none
    before, after = ([there, nearer], [there, more, {"id": "z", "at": (24_900, 5000)}])
    found = compare(
        Side("alt", world.places(before), population=few),
        Side("neu", world.places(after), population=few),
    )
    print_changes(found, found.areas["land"], "land")
    printed = capsys.readouterr().out
    assert "88,2 %" in printed
    assert "+0,4" in printed
    assert "0 Gebiete ohne Veränderung" in printed


def test_command_says_what_was_erased_and_measured_anew(
    two_states: Workshop, capsys: pytest.CaptureFixture[str], sqlite_url: str
) -> None:
    store = two_states.store
    wider = CoverageParameters(radius_m=9000)
    pipeline.take_state(two_states, name="Weit", parameters=wider, today=TODAY)
    store.erase(store.read_state("Neu").initiatives["id"].iloc[7], now=NOW)
    out = run(capsys, "changes", "Neu", "Weit", "--database", sqlite_url)[1]
    assert "36 Gebiete ohne Veränderung" in out
    for name in ("Neu", "Weit"):
        assert (
            f"{name}: 1 Eintrag wurde seither gelöscht. Für den Vergleich neu gemessen; die"
            " veröffentlichten Zahlen können andere sein." in out
        )
    out = run(capsys, "changes", "Alt", "Neu", "--database", sqlite_url)[1]
    assert "Alt: 1 Eintrag wurde seither gelöscht.\n" in out


@pytest.mark.parametrize("until", ["Neu", "jetzt", None])
def test_command_prints_areas_and_writes_all(
    two_states: Workshop,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
    tmp_path: Path,
    until: str | None,
) -> None:
    file = tmp_path / "vergleich.csv"
    options = ("--level", "verbandsgemeinde", "--csv", str(file), "--database", sqlite_url)
    states = ("Alt",) if until is None else ("Alt", until)
    code, out, _ = run(capsys, "changes", *states, *options)
    assert code == 0
    assert "Einträge: 1 neuer Ort." in out
    assert "Idar-Oberstein" in out
    assert "169 Gebiete ohne Veränderung" in out
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 170
    (gained,) = [row for row in rows if row["gained"] not in {"0", ""}]
    assert "Idar-Oberstein" in gained["name"]
    assert float(gained["places_real"]) == 1


def test_command_refuses_an_unknown_state(
    two_states: Workshop, capsys: pytest.CaptureFixture[str], sqlite_url: str
) -> None:
    code, _, err = run(capsys, "changes", "Nie", "--database", sqlite_url)
    assert code == 2
    assert "expected the name of a state ('Alt', 'Neu'), got 'Nie'" in err
