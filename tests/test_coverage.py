from __future__ import annotations

import datetime as dt
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import coverage_world as world
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from coverage_world import A, B, C
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from geo_service import coverage, municipalities, population
from geo_service.coverage import CoverageParameters, compute_coverage, compute_levels, e2sfca
from geo_service.errors import QueryError
from geo_service.schema import (
    CATEGORIES,
    COVERAGE_COLUMNS,
    INITIATIVE_COLUMNS,
    LEVELS,
    METRIC_CRS,
    WGS84,
    Coverage,
    Initiatives,
    Municipalities,
    Population,
    as_columns,
    check_initiatives,
)

TODAY = dt.date(2026, 11, 23)
BOUNDARIES = Path(__file__).resolve().parents[1] / "data" / "gemeinden" / "gemeinden.gpkg"

# ------------------------------------------------------------- three squares, by hand

PLACES: list[dict[str, Any]] = [
    {"at": (6500, 5000)},  # in A: 1,500 m from A's seat, 8,500 from B's, 18,500 from C's
    {"at": (12_100, 5000)},  # in B, two at one address: 2,900 m from B's, 7,100 from A's
    {"at": (12_100, 5000)},
    {"at": (5000, -1000)},  # in no municipality: 6,000 m from A's
    {},  # without a point
]


def measure(
    rows: list[dict[str, Any]],
    people: Population | None = None,
    *,
    squares: Municipalities | None = None,
    **parameters: Any,
) -> dict[Any, Coverage]:
    squares = world.three_squares() if squares is None else squares
    return compute_levels(
        world.places(rows),
        squares,
        population.seat_population(squares) if people is None else people,
        parameters=CoverageParameters(**parameters),
        today=TODAY,
    )


def column(table: Coverage, name: str) -> list[Any]:
    values = [value.item() if isinstance(value, np.generic) else value for value in table[name]]
    return [None if value is pd.NA or value != value else value for value in values]


def test_three_squares_at_level_gemeinde() -> None:
    table = measure(PLACES, radius_m=9000.0)["gemeinde"]

    assert column(table, "key") == [A, B, C]
    assert column(table, "name") == ["Adorf", "Bedorf", "Zestadt"]
    assert column(table, "population") == [1000, 3000, 100]
    assert column(table, "places") == [1, 2, 0]
    assert column(table, "places_per_10k") == pytest.approx([10, 20 / 3, 0])
    assert column(table, "people_counted") == [1000, 3000, 100]
    assert column(table, "people_reached") == [1000, 3000, 0]
    assert column(table, "share_reached") == [1, 1, 0]
    assert column(table, "people_beyond") == [0, 0, 100]
    assert column(table, "nearest_seat_m") == pytest.approx([1500, 2900, 12_900], abs=1e-4)
    assert column(table, "nearest_mean_m") == pytest.approx([1500, 2900, 12_900], abs=1e-4)
    # Zones end at 3, 6 and 9 km. The place in A serves A at weight 1 and B at 0.22, the two
    # in B serve B at 1 and A at 0.22.
    one_in_a = 1 / (1000 * 1 + 3000 * 0.22)
    two_in_b = 2 / (3000 * 1 + 1000 * 0.22)
    expected = [one_in_a + 0.22 * two_in_b, 0.22 * one_in_a + two_in_b, 0]
    assert column(table, "e2sfca") == pytest.approx([10_000 * value for value in expected])
    assert column(table, "gap") == [False, False, True]
    assert column(table, "gap_reason") == [
        None,
        None,
        "unter 50 % erreicht (0,0 %), kein Ort im Gebiet",
    ]
    assert column(table, "population_basis") == ["seat_points"] * 3


def test_three_squares_at_the_levels_above() -> None:
    levels = measure(PLACES, radius_m=9000.0)

    assert column(levels["verbandsgemeinde"], "key") == ["070015001", "070020001"]
    assert column(levels["verbandsgemeinde"], "name") == ["Abend", "Zestadt"]
    assert column(levels["kreis"], "name") == ["Westkreis", "Ostkreis"]
    assert column(levels["land"], "name") == ["Rheinland-Pfalz"]
    for level in ("verbandsgemeinde", "kreis"):
        table = levels[level]
        assert column(table, "places") == [3, 0]
        assert column(table, "places_per_10k") == [7.5, 0]
        assert column(table, "people_reached") == [4000, 0]
        assert column(table, "nearest_seat_m") == [None, None]
        assert column(table, "nearest_mean_m") == pytest.approx([2550, 12_900], abs=1e-4)
        # All three places are shared out among 4,000 people.
        assert column(table, "e2sfca") == pytest.approx([7.5, 0])
        assert column(table, "gap") == [False, True]
    land = levels["land"]
    assert column(land, "share_reached") == pytest.approx([4000 / 4100])
    assert column(land, "nearest_mean_m") == pytest.approx([11_490_000 / 4100], abs=1e-4)
    assert column(land, "e2sfca") == pytest.approx([30_000 / 4100])


def test_levels_have_the_contracts_columns_and_one_level_is_the_same_alone() -> None:
    levels = measure(PLACES)
    squares = world.three_squares()
    for level in LEVELS:
        assert list(levels[level].columns) == list(COVERAGE_COLUMNS)
        alone = compute_coverage(
            world.places(PLACES),
            squares,
            population.seat_population(squares),
            level=level,
            today=TODAY,
        )
        pd.testing.assert_frame_equal(alone, levels[level])


def test_people_count_where_they_live_and_the_population_is_still_the_registers() -> None:
    people = world.people_at([(A, 500, 500, 100), (A, 6000, 5000, 300), (B, 19_500, 5000, 50)])
    table = measure(PLACES, people, radius_m=2000.0, minimum_people=60)["gemeinde"]

    assert column(table, "population") == [1000, 3000, 100]
    assert column(table, "people_counted") == [400, 50, 0]
    assert column(table, "people_reached") == [300, 0, 0]
    assert column(table, "share_reached") == [0.75, 0, None]
    assert column(table, "people_beyond") == [100, 50, 0]
    # From (500, 500) the nearest is the place outside the Land, at (5000, -1000).
    mean = (100 * math.hypot(4500, 1500) + 300 * 500) / 400
    assert column(table, "nearest_mean_m") == pytest.approx([mean, 7400, None], abs=1e-4)
    assert column(table, "e2sfca")[2] is None
    assert column(table, "population_basis") == ["grid_1km"] * 3


def test_a_place_of_the_neighbouring_area_reaches_people_and_a_place_without_area_too() -> None:
    neighbour = measure([{"at": (10_100, 5000)}], radius_m=5500.0)["gemeinde"]
    assert column(neighbour, "people_reached") == [1000, 3000, 0]
    assert column(neighbour, "gap") == [False, False, True]
    assert column(neighbour, "places") == [0, 1, 0]

    outside = measure([{"at": (5000, -100)}], radius_m=5500.0)["gemeinde"]
    assert column(outside, "people_reached") == [1000, 0, 0]
    assert column(outside, "places") == [0, 0, 0]
    # Who else it serves is not known, so it has no E2SFCA ratio.
    assert column(outside, "e2sfca") == [0, 0, 0]


def test_places_that_no_area_has_are_counted_apart() -> None:
    count = coverage.count_places(
        world.places([*PLACES, {"at": (1, 1), "category": "Sonstiges"}]),
        world.three_squares(),
        parameters=CoverageParameters(categories=("Begegnungsort",)),
    )
    assert count == coverage.PlaceCount(records=6, selected=5, counted=3, outside=1, unplaced=1)


def test_a_place_with_a_key_of_another_territory_counts_as_outside() -> None:
    old = [{"at": (6500, 5000), "ags": "07999001"}]
    squares = world.three_squares()
    count = coverage.count_places(world.places(old), squares, parameters=CoverageParameters())
    assert (count.counted, count.outside) == (0, 1)
    assert column(measure(old)["land"], "places") == [0]


def test_a_distance_equal_to_the_radius_is_reached() -> None:
    exact = measure(PLACES)["gemeinde"]["nearest_seat_m"][1]
    assert column(measure(PLACES, radius_m=exact)["gemeinde"], "people_reached")[1] == 3000
    below = math.nextafter(exact, 0)
    assert column(measure(PLACES, radius_m=below)["gemeinde"], "people_reached")[1] == 0


def test_without_any_place_distances_are_unknown_and_every_area_is_a_gap() -> None:
    table = measure([{}])["gemeinde"]
    assert column(table, "nearest_seat_m") == [None] * 3
    assert column(table, "nearest_mean_m") == [None] * 3
    assert column(table, "share_reached") == [0, 0, 0]
    assert column(table, "e2sfca") == [0, 0, 0]
    assert column(table, "gap") == [True] * 3
    assert column(table, "gap_reason") == ["kein Ort"] * 3


def test_an_empty_table_of_records_is_measured() -> None:
    assert column(measure([])["land"], "places") == [0]


def test_an_area_without_people_has_no_share_and_is_not_judged() -> None:
    squares = world.three_squares(people=(0, 30, 100))
    table = measure([{"at": (21_000, 5000)}], squares=squares)["gemeinde"]
    assert column(table, "places_per_10k") == [None, 0, 100]
    assert column(table, "share_reached") == [None, 0, 1]
    assert column(table, "nearest_mean_m")[0] is None
    assert column(table, "nearest_seat_m")[0] == pytest.approx(16_000, abs=1e-4)
    assert column(table, "gap") == [None, None, False]
    assert column(table, "gap_reason") == [
        "nicht beurteilt: niemand gezählt",
        "nicht beurteilt: 30 Menschen, mindestens 50 nötig",
        None,
    ]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (49.6, "49,6 Menschen"),
        (49.96, "49,9 Menschen"),
        (49.0, "49 Menschen"),
        (1.04, "1 Menschen"),
        (0.4, "unter 1 Menschen"),
        (0.0, None),
    ],
)
def test_people_too_few_never_read_as_enough_or_as_nobody(people: float, said: str | None) -> None:
    table = measure([], world.people_at([(A, 6500, 5000, people)]))["gemeinde"]
    expected = f"nicht beurteilt: {said}, mindestens 50 nötig"
    reason = "nicht beurteilt: niemand gezählt" if said is None else expected
    assert column(table, "gap_reason")[0] == reason


def test_an_area_with_exactly_the_minimum_is_judged() -> None:
    rows = [{"at": (6500, 5000)}]
    for people, gap in ((49, None), (50, False), (51, False)):
        table = measure(rows, world.people_at([(A, 6500, 5000, people)]))["gemeinde"]
        assert column(table, "gap")[0] is gap


def test_a_gap_reason_never_shows_the_limit_it_stays_under() -> None:
    people = world.people_at([(A, 6500, 5000, 4999), (A, 500, 9500, 5001)])
    table = measure([{"at": (6500, 5000)}], people)["gemeinde"]
    assert column(table, "gap_reason")[0] == "unter 50 % erreicht (49,9 %)"
    exact = world.people_at([(A, 6500, 5000, 5000), (A, 500, 9500, 5000)])
    assert column(measure([{"at": (6500, 5000)}], exact)["gemeinde"], "gap")[0] is False


def test_the_gap_share_is_a_parameter() -> None:
    people = world.people_at([(A, 6500, 5000, 312), (A, 500, 9500, 688)])
    rows = [{"at": (6500, 5000)}]
    assert column(measure(rows, people, gap_share=0.3)["gemeinde"], "gap")[0] is False
    table = measure(rows, people, gap_share=0.333)["gemeinde"]
    assert column(table, "gap_reason")[0] == "unter 33,3 % erreicht (31,2 %)"


# ----------------------------------------------------------------- filter, uncertainty


def test_category_and_theme_filter_are_both_to_be_met() -> None:
    rows = [
        {"at": (1, 1), "category": "Begegnungsort", "theme": "Begegnungsorte"},
        {"at": (1, 1), "category": "Begegnungsort", "theme": "Hauptamt und Ehrenamt"},
        {"at": (1, 1), "category": "Begegnungsort"},
        {"at": (1, 1), "category": "Fahrradwerkstatt", "theme": "Begegnungsorte"},
    ]

    def places(**parameters: Any) -> int:
        return int(measure(rows, **parameters)["land"]["places"][0])

    assert places() == 4
    assert places(categories=("Begegnungsort",)) == 3
    assert places(themes=("Begegnungsorte",)) == 2
    assert places(categories=("Begegnungsort",), themes=("Begegnungsorte",)) == 1
    assert places(categories=("Begegnungsort", "Fahrradwerkstatt")) == 4
    assert places(categories=("Sonstiges",)) == 0


def test_every_precision_coarser_than_the_street_is_rough() -> None:
    precisions = ["address", "street", "postcode", "locality", "municipality"]
    rows = [{"at": (1, 1), "coordinate_precision": precision} for precision in precisions]
    assert column(measure(rows)["gemeinde"], "rough") == [3, 0, 0]


@pytest.mark.parametrize(
    ("source_date", "confirmed_on", "expected"),
    [
        (None, None, "undated"),
        ("2024-11-23", None, "fresh"),  # to the day
        ("2024-11-22", None, "stale"),
        ("2024-11", None, "fresh"),  # may be the 30th
        ("2024-10", None, "stale"),
        ("2024", None, "fresh"),  # may be 31 December
        ("2023", None, "stale"),
        ("2015", "2026-01-01", "fresh"),
        ("2026-01", "2020-01-01", "fresh"),
        (None, "2020-01-01", "stale"),
        (None, "2025-01-01", "fresh"),
    ],
)
def test_staleness_by_statement_or_confirmation(
    source_date: str | None, confirmed_on: str | None, expected: str
) -> None:
    rows = [{"at": (1, 1), "source_date": source_date, "confirmed_on": confirmed_on}]
    table = measure(rows)["gemeinde"]
    assert column(table, "stale")[0] == (expected == "stale")
    assert column(table, "undated")[0] == (expected == "undated")


def test_stale_after_months_ends_on_the_months_last_day() -> None:
    rows = [{"at": (1, 1), "source_date": "2026-02-28"}]
    squares = world.three_squares()
    for today, stale in ((dt.date(2026, 8, 31), 0), (dt.date(2026, 9, 1), 1)):
        table = compute_coverage(
            world.places(rows),
            squares,
            population.seat_population(squares),
            level="land",
            parameters=CoverageParameters(stale_after_months=6),
            today=today,
        )
        assert column(table, "stale") == [stale]


def test_uncertainty_counts_only_the_areas_own_records() -> None:
    rows = [
        {"at": (1, 1), "coordinate_precision": "locality", "source_date": "2019"},
        {"at": (5000, -1000), "coordinate_precision": "locality"},
        {"source_date": "2019"},
    ]
    land = measure(rows)["land"]
    assert [column(land, name) for name in ("places", "rough", "stale", "undated")] == [
        [1],
        [1],
        [1],
        [0],
    ]


# ------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("radius_m", 0.0),
        ("radius_m", -1.0),
        ("radius_m", math.nan),
        ("radius_m", math.inf),
        ("radius_m", 100_001.0),
        ("gap_share", -0.1),
        ("gap_share", 1.1),
        ("gap_share", math.nan),
        ("minimum_people", -1),
        ("minimum_people", math.inf),
        ("stale_after_months", -1),
        ("stale_after_months", 1.5),
        ("stale_after_months", 100_000),
        ("categories", ("Schwimmbad",)),
        ("categories", "Begegnungsort"),
        ("themes", ("Schwimmen",)),
        ("e2sfca_steps", ()),
        ("e2sfca_steps", ((0.5, 1.0), (0.5, 0.5))),
        ("e2sfca_steps", ((0.0, 1.0),)),
        ("e2sfca_steps", ((math.nan, 1.0),)),
        ("e2sfca_steps", ((0.5, 0.5), (1.0, 1.0))),
        ("e2sfca_steps", ((1.0, 0.0),)),
        ("e2sfca_steps", ((1.0, math.nan),)),
        ("e2sfca_steps", ((1.0, math.inf),)),
        ("e2sfca_steps", ((1000.0, 1.0),)),
    ],
)
def test_a_parameter_out_of_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(QueryError, match=rf"^{name}: expected .*, got "):
        CoverageParameters(**{name: value})


def test_an_unknown_level_is_named() -> None:
    squares = world.three_squares()
    with pytest.raises(QueryError, match=r"^level: expected one of .* got 'bezirk'"):
        compute_coverage(
            world.places([]),
            squares,
            population.seat_population(squares),
            level="bezirk",  # type: ignore[arg-type]
            today=TODAY,
        )


def test_a_population_of_another_territory_is_refused() -> None:
    with pytest.raises(QueryError, match=r"population: .*07999001.*load the population again"):
        measure(PLACES, world.people_at([("07999001", 1, 1, 5)]))


def test_parameters_are_described_in_german() -> None:
    described = CoverageParameters(
        radius_m=9000.0, themes=("Begegnungsorte",), gap_share=0.333
    ).describe()
    assert described["Umkreis"] == "9 km Luftlinie"
    assert described["Kategorien"] == "alle"
    assert described["Leitthemen"] == "Begegnungsorte"
    assert described["E2SFCA-Zonen"] == (
        "bis 3 km Gewicht 1; bis 6 km Gewicht 0,68; bis 9 km Gewicht 0,22"
    )
    assert described["Lücke"] == "weniger als 33,3 % der Menschen erreicht"


def test_parameters_are_hashable_so_that_results_can_be_kept_by_them() -> None:
    assert hash(CoverageParameters()) == hash(CoverageParameters())


# ---------------------------------------------------------------------------- E2SFCA


def plane(seed: int, demand: int, supply: int, side_m: float) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    return (
        random.uniform(0, side_m, (demand, 2)),
        random.integers(1, 5000, demand).astype(float),
        random.uniform(0, side_m, (supply, 2)),
        random.integers(1, 4, supply).astype(float),
    )


STEPS = ((3000.0, 1.0), (6000.0, 0.68), (9000.0, 0.22))


def pysal_e2sfca(
    demand: np.ndarray,
    people: np.ndarray,
    supply: np.ndarray,
    capacity: np.ndarray,
    steps: tuple[tuple[float, float], ...],
) -> np.ndarray:
    """The oracle: PySAL access, with every pair's distance."""
    from access import fca, weights

    distance = cdist(demand, supply)
    origin, destination = np.indices(distance.shape)
    cost = pd.DataFrame(
        {"origin": origin.ravel(), "dest": destination.ravel(), "cost": distance.ravel()}
    )
    access = fca.two_stage_fca(
        pd.DataFrame({"demand": people}).rename_axis("geoid"),
        pd.DataFrame({"supply": capacity}).rename_axis("geoid"),
        cost[cost["cost"] <= steps[-1][0]],
        max_cost=steps[-1][0],
        weight_fn=weights.step_fn(dict(steps)),
    )
    return access.reindex(range(len(demand)), fill_value=0.0).to_numpy()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_e2sfca_equals_pysal_access(seed: int) -> None:
    demand, people, supply, capacity = plane(seed, 150, 80, 100_000)
    ours = coverage.compute_e2sfca(demand, people, supply, capacity, steps=STEPS)
    theirs = pysal_e2sfca(demand, people, supply, capacity, STEPS)
    assert (theirs == 0).any()
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


def test_e2sfca_in_parts_and_found_twice_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    demand, people, supply, capacity = plane(4, 200, 100, 40_000)
    whole = coverage.compute_e2sfca(demand, people, supply, capacity, steps=STEPS)
    monkeypatch.setattr(e2sfca, "_PAIRS_AT_ONCE", 50)
    parts = coverage.compute_e2sfca(demand, people, supply, capacity, steps=STEPS)
    monkeypatch.setattr(e2sfca, "_PAIRS_KEPT", 0)
    twice = coverage.compute_e2sfca(demand, people, supply, capacity, steps=STEPS)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    np.testing.assert_array_equal(twice, parts)


def test_e2sfca_an_edge_belongs_to_its_zone() -> None:
    demand = np.array([[0.0, 0.0]])
    for distance, weight in ((3000.0, 1.0), (3000.1, 0.5), (5000.0, 0.5), (5000.1, 0.0)):
        # A second group at the place keeps the weights from cancelling out.
        towns = np.vstack([demand, [[distance, 0.0]]])
        access = coverage.compute_e2sfca(
            towns,
            np.array([100.0, 100.0]),
            np.array([[distance, 0.0]]),
            np.ones(1),
            steps=((3000.0, 1.0), (5000.0, 0.5)),
        )
        assert access[0] == pytest.approx(weight / (100 + 100 * weight))


def test_e2sfca_without_people_nearby_a_place_adds_nothing() -> None:
    access = coverage.compute_e2sfca(
        np.zeros((1, 2)), np.zeros(1), np.zeros((1, 2)), np.ones(1), steps=STEPS
    )
    assert access.tolist() == [0.0]
    empty = coverage.compute_e2sfca(
        np.zeros((1, 2)), np.ones(1), np.zeros((0, 2)), np.zeros(0), steps=STEPS
    )
    assert empty.tolist() == [0.0]


@given(seed=st.integers(0, 10_000), demand=st.integers(1, 40), supply=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_e2sfca_shares_out_every_place_that_somebody_lives_near(
    seed: int, demand: int, supply: int
) -> None:
    points, people, places, capacity = plane(seed, demand, supply, 50_000)
    access = coverage.compute_e2sfca(points, people, places, capacity, steps=STEPS)
    near = (cdist(points, places) <= STEPS[-1][0]).any(axis=0)
    assert (people * access).sum() == pytest.approx(capacity[near].sum())


# ------------------------------------------------------------------------ invariants

SPOT = st.tuples(st.integers(-3000, 33_000), st.integers(-3000, 13_000))
ROW = st.fixed_dictionaries(
    {"at": st.one_of(st.none(), SPOT), "category": st.sampled_from(CATEGORIES[:3])},
    optional={
        "source_date": st.sampled_from(["2015", "2026-01"]),
        "coordinate_precision": st.sampled_from(["address", "locality"]),
    },
).map(lambda row: row if row["at"] else {k: v for k, v in row.items() if "precision" not in k})
ROWS = st.lists(ROW, max_size=12)
CELL = st.tuples(
    st.integers(0, 2), st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 500)
).map(lambda c: ((A, B, C)[c[0]], c[0] * 10_000 + c[1], c[2], c[3]))
CELLS = st.lists(CELL, min_size=1, max_size=20)
SUMMED = ["population", "places", "people_counted", "people_reached", "people_beyond"]
SUMMED += ["rough", "stale", "undated"]


@given(rows=ROWS, cells=CELLS, radius_m=st.floats(500, 20_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_sums_over_every_level_equal_the_lands(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float
) -> None:
    levels = measure(rows, world.people_at(cells), radius_m=radius_m)
    land = levels["land"]
    for table in levels.values():
        for name in SUMMED:
            assert table[name].sum() == land[name][0], name
        spread = (table["people_counted"] * table["e2sfca"].fillna(0)).sum()
        whole = land["people_counted"][0] * land["e2sfca"].fillna(0)[0]
        assert spread == pytest.approx(whole)


@given(rows=ROWS, cells=CELLS, radius_m=st.floats(500, 10_000), more=st.floats(1, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_longer_radius_never_reaches_fewer(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float, more: float
) -> None:
    people = world.people_at(cells)
    near = measure(rows, people, radius_m=radius_m)["gemeinde"]
    far = measure(rows, people, radius_m=radius_m * more)["gemeinde"]
    assert (near["people_reached"] <= far["people_reached"]).all()
    pd.testing.assert_series_equal(near["nearest_mean_m"], far["nearest_mean_m"])


@given(rows=ROWS, cells=CELLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_filter_never_adds(rows: list[dict[str, Any]], cells: list[Any]) -> None:
    people = world.people_at(cells)
    everything = measure(rows, people)["gemeinde"]
    some = measure(rows, people, categories=(CATEGORIES[0],))["gemeinde"]
    for name in ("places", "people_reached", "rough", "stale", "undated"):
        assert (some[name] <= everything[name]).all(), name
    nearer = everything["nearest_seat_m"].fillna(-1) <= some["nearest_seat_m"].fillna(math.inf)
    assert nearer.all()


@given(rows=ROWS, cells=CELLS, seed=st.integers(0, 1000))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_the_records_changes_no_bit(
    rows: list[dict[str, Any]], cells: list[Any], seed: int
) -> None:
    people = world.people_at(cells)
    rows = [{**row, "id": f"x{number}"} for number, row in enumerate(rows)]
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    for level, table in measure(rows, people).items():
        pd.testing.assert_frame_equal(measure(shuffled, people)[level], table, check_exact=True)


def test_nothing_that_was_given_is_changed() -> None:
    squares, rows = world.three_squares(), world.places(PLACES)
    people = population.seat_population(squares)
    before = (squares.copy(), rows.copy(), people.people.copy())
    compute_levels(rows, squares, people, today=TODAY)
    assert squares.equals(before[0])
    assert rows.equals(before[1])
    np.testing.assert_array_equal(people.people, before[2])


# ------------------------------------------------------------------- the real Land


@pytest.fixture(scope="module")
def land() -> Municipalities:
    return municipalities.load_municipalities(BOUNDARIES)


@pytest.fixture(scope="module")
def scattered(land: Municipalities) -> Initiatives:
    """600 random places in and a little around the Land, some sharing a point."""
    random = np.random.default_rng(5)
    west, south, east, north = land.total_bounds
    lon = np.round(random.uniform(west, east, 600), 2)
    lat = np.round(random.uniform(south, north, 600), 2)
    ags = municipalities.MunicipalityIndex(land).find(lon, lat)
    values = {
        "id": [f"r{number}" for number in range(600)],
        "name": ["Ort"] * 600,
        "category": random.choice(CATEGORIES[:4], 600).tolist(),
        "source_line": list(range(600)),
        "coordinate_status": ["found"] * 600,
        "coordinate_precision": random.choice(["address", "locality"], 600).tolist(),
        "ags": ags.tolist(),
    }
    table = as_columns(values, INITIATIVE_COLUMNS)
    points = gpd.points_from_xy(lon, lat)
    return check_initiatives(gpd.GeoDataFrame(table, geometry=points, crs=WGS84))


@pytest.fixture(scope="module")
def real(land: Municipalities, scattered: Initiatives) -> dict[Any, Coverage]:
    return compute_levels(
        scattered,
        land,
        population.seat_population(land),
        parameters=CoverageParameters(radius_m=5000.0, minimum_people=0),
        today=TODAY,
    )


def seats(land: Municipalities) -> gpd.GeoSeries:
    return gpd.GeoSeries(gpd.points_from_xy(land["seat_lon"], land["seat_lat"]), crs=WGS84).to_crs(
        METRIC_CRS
    )


@pytest.mark.parametrize("level", LEVELS)
def test_areas_are_those_of_build_areas_in_their_order(
    land: Municipalities, real: dict[Any, Coverage], level: Any
) -> None:
    areas = municipalities.build_areas(land, level)
    for name in ("key", "name", "level", "population"):
        pd.testing.assert_series_equal(pd.DataFrame(areas)[name], real[level][name])


def test_the_real_land_adds_up(real: dict[Any, Coverage], scattered: Initiatives) -> None:
    assert {level: len(table) for level, table in real.items()} == {
        "gemeinde": 2300,
        "verbandsgemeinde": 170,
        "kreis": 36,
        "land": 1,
    }
    for table in real.values():
        assert table["population"].sum() == 4_129_569
        assert table["people_counted"].sum() == 4_129_569
        assert table["places"].sum() == scattered["ags"].notna().sum()
        assert table["people_reached"].sum() == real["land"]["people_reached"][0]


@pytest.mark.parametrize("level", LEVELS)
def test_a_plain_geopandas_reference_agrees(
    land: Municipalities, scattered: Initiatives, real: dict[Any, Coverage], level: Any
) -> None:
    """Buffers, spatial joins and a full distance matrix, nothing of ours."""
    points = scattered.to_crs(METRIC_CRS)
    homes = gpd.GeoDataFrame(
        pd.DataFrame(land)[["ags", "ars", "population"]], geometry=seats(land), crs=METRIC_CRS
    )
    served = shapely.union_all(points.geometry.buffer(5000.0, quad_segs=200).to_numpy())
    homes["reached"] = homes.geometry.within(served) * homes["population"]
    distance = cdist(
        shapely.get_coordinates(homes.geometry.array), shapely.get_coordinates(points.geometry)
    )
    homes["nearest"] = distance.min(axis=1)
    homes["metres"] = homes["nearest"] * homes["population"]
    homes["places"] = homes["ags"].map(scattered["ags"].value_counts()).fillna(0)
    digits = {"gemeinde": 8, "verbandsgemeinde": 9, "kreis": 5, "land": 2}[level]
    keys = homes["ags" if level == "gemeinde" else "ars"].str[:digits]
    sums = homes.drop(columns=["ags", "ars", "geometry"]).groupby(keys).sum()

    ours = real[level]
    assert ours["places"].tolist() == sums["places"].tolist()
    np.testing.assert_allclose(
        ours["places_per_10k"], sums["places"] / sums["population"] * 10_000, rtol=1e-12
    )
    # A buffer of 200 segments a quarter turn is a few centimetres short of the circle.
    np.testing.assert_array_equal(ours["people_reached"], sums["reached"])
    np.testing.assert_allclose(ours["share_reached"], sums["reached"] / sums["population"])
    np.testing.assert_allclose(ours["nearest_mean_m"], sums["metres"] / sums["population"])
    if level == "gemeinde":
        np.testing.assert_allclose(ours["nearest_seat_m"], homes["nearest"])


def test_e2sfca_of_the_real_municipalities_equals_pysal_access(
    land: Municipalities, scattered: Initiatives, real: dict[Any, Coverage]
) -> None:
    inside = scattered[scattered["ags"].notna()].to_crs(METRIC_CRS)
    steps = tuple((edge * 5000.0, weight) for edge, weight in coverage.LUO_QI_STEPS)
    theirs = pysal_e2sfca(
        shapely.get_coordinates(seats(land).array),
        land["population"].to_numpy(dtype=float),
        shapely.get_coordinates(inside.geometry),
        np.ones(len(inside)),
        steps,
    )
    ours = real["gemeinde"]["e2sfca"] / coverage.E2SFCA_PEOPLE
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


def test_a_grid_and_seat_points_give_the_same_where_they_are_the_same_points(
    land: Municipalities, scattered: Initiatives, real: dict[Any, Coverage]
) -> None:
    at_seats = population.seat_population(land)
    as_grid = replace(at_seats, basis="grid_100m")
    table = compute_coverage(
        scattered,
        land,
        as_grid,
        level="kreis",
        parameters=CoverageParameters(radius_m=5000.0, minimum_people=0),
        today=TODAY,
    )
    assert set(table["population_basis"]) == {"grid_100m"}
    pd.testing.assert_frame_equal(
        table.drop(columns="population_basis"), real["kreis"].drop(columns="population_basis")
    )


# ------------------------------------------------------------------------- the document


def test_the_method_page_explains_every_column_and_parameter() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "coverage.md").read_text("utf-8")
    explained = set(COVERAGE_COLUMNS) - {"key", "name", "level"}
    explained |= {field.name for field in fields(CoverageParameters)}
    assert {name for name in explained if f"`{name}`" not in page} == set()
    assert "| `radius_m` | 5,000 |" in page
    assert CoverageParameters().radius_m == 5000


def test_the_method_page_states_how_many_municipalities_are_too_small(land: Municipalities) -> None:
    small = land.loc[land["population"] < CoverageParameters().minimum_people, "population"]
    assert (len(small), small.sum()) == (43, 1502)
