from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import os
import subprocess
import sys
from dataclasses import replace
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
from geo_service.coverage import CoverageParameters, Ground, Terrain, measure_terrain, uncertainty
from geo_service.coverage import spots as spots_module
from geo_service.coverage.parameters import DRAWS, FEWER_DRAWS, MANY_POINTS
from geo_service.coverage.spots import SPOTS, draw_lots, hash_texts, spread_spots
from geo_service.coverage.terrain import Recent
from geo_service.coverage.uncertainty import middle, nearest_taken
from geo_service.errors import QueryError
from geo_service.schema import (
    CATEGORIES,
    FINE_PRECISIONS,
    INITIATIVE_COLUMNS,
    JUDGEMENTS,
    LEVELS,
    METRIC_CRS,
    WGS84,
    Coverage,
    Municipalities,
    Population,
    as_columns,
    check_initiatives,
)

TODAY = dt.date(2026, 11, 23)
TESTS = Path(__file__).resolve().parent
BOUNDARIES = TESTS.parent / "data" / "gemeinden" / "gemeinden.gpkg"
SQUARES = world.three_squares()
GROUND = Ground(SQUARES)
RANGES = {
    "share_reached": ("share_low", "share_high"),
    "people_beyond": ("beyond_low", "beyond_high"),
    "nearest_seat_m": ("nearest_seat_low_m", "nearest_seat_high_m"),
    "nearest_mean_m": ("nearest_mean_low_m", "nearest_mean_high_m"),
    "e2sfca": ("e2sfca_low", "e2sfca_high"),
}
"""Each indicator with its range."""


UNCERTAIN = "zu unsicher: {} erreicht in 9 von 10 durchgerechneten Lagen der grob verorteten Orte"


def rough_at(x_m: float, y_m: float, **columns: Any) -> dict[str, Any]:
    return {"at": (x_m, y_m), "coordinate_precision": "municipality", **columns}


def measure(
    rows: list[dict[str, Any]], people: Population | None = None, **parameters: Any
) -> dict[Any, Coverage]:
    terrain = Terrain.of(GROUND, people or population.seat_population(SQUARES))
    return measure_terrain(
        world.places(rows), terrain, parameters=CoverageParameters(**parameters), today=TODAY
    )


def values(table: pd.DataFrame, name: str) -> list[Any]:
    return [None if pd.isna(value) else value for value in table[name].tolist()]


def assert_inside(table: Coverage) -> None:
    """Every value is within its range."""
    for name, ends in RANGES.items():
        low, high = (table[end] for end in ends)
        within = (table[name] >= low) & (table[name] <= high)
        assert (within | table[name].isna()).all(), name
        assert (table[name].isna() == low.isna()).all(), name
        assert (table[name].isna() == high.isna()).all(), name


def is_rough(row: dict[str, Any]) -> bool:
    return row.get("coordinate_precision", "address") not in FINE_PRECISIONS


def lot(place: str, draw: int) -> int:
    """Return which spot a place picks: the oracle, SplitMix64 in whole numbers."""
    mixed = int(hash_texts([place])[0]) + (draw + 1) * 0x9E3779B97F4A7C15 & 2**64 - 1
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & 2**64 - 1
    return (mixed ^ mixed >> 31) >> 60


def laid_out(rows: list[dict[str, Any]], draw: int) -> list[dict[str, Any]]:
    """Return the rows with every rough place on the spot that it picks, finely located."""
    spots_m = GROUND.spots_xy_m - np.array(world.CORNER)
    moved = []
    for number, row in enumerate(rows):
        square = int(row["at"][0] // 10_000)
        if is_rough(row) and 0 <= row["at"][1] < 10_000:
            spot = spots_m[square, lot(str(row.get("id", f"r{number}")), draw)]
            moved.append({"at": tuple(spot), "ags": (A, B, C)[square]})
        else:
            moved.append(row)
    return moved


# --------------------------------------------------------------------------- by hand


TOWNS = [(A, 1000, 1000, 400), (A, 5000, 5200, 900), (B, 11_000, 9000, 700), (C, 29_000, 500, 300)]
WORLD = [
    rough_at(5000, 5000),
    rough_at(15_000, 5000),
    rough_at(15_000, 5000),
    rough_at(25_000, 5000),
    rough_at(5000, -1000),
    {"at": (2000, 2000)},
]


@pytest.mark.parametrize("many_points", [MANY_POINTS, 2])
@pytest.mark.parametrize("people", [None, world.people_at(TOWNS)])
def test_a_range_is_the_middle_of_the_layouts_each_measured_on_its_own(
    monkeypatch: pytest.MonkeyPatch, people: Population | None, many_points: int
) -> None:
    monkeypatch.setattr(uncertainty, "MANY_POINTS", many_points)
    draws, left_out = (100, 5) if many_points == MANY_POINTS else (20, 1)
    ours = measure(WORLD, people, radius_m=6000.37)
    tried = [measure(laid_out(WORLD, draw), people, radius_m=6000.37) for draw in range(draws)]
    for level, table in ours.items():
        assert_inside(table)
        for name, (low, high) in RANGES.items():
            layouts = np.sort([measured[level][name] for measured in tried], axis=0)
            least = np.minimum(table[name], layouts[left_out - 1])
            most = np.maximum(table[name], layouts[-left_out])
            np.testing.assert_allclose(table[low], least, rtol=1e-6, atol=1e-3)
            np.testing.assert_allclose(table[high], most, rtol=1e-6, atol=1e-3)
    assert (ours["gemeinde"]["nearest_seat_low_m"] < ours["gemeinde"]["nearest_seat_high_m"]).all()


def test_a_judgement_that_depends_on_rough_places_is_uncertain() -> None:
    table = measure([rough_at(5000, 5000)], radius_m=8000.0)["gemeinde"]
    assert values(table, "gap") == [False, True, True]
    assert values(table, "judgement") == ["no_gap", "uncertain", "gap"]
    assert values(table, "gap_reason") == [
        None,
        UNCERTAIN.format("0,0 % bis 100,0 %"),
        "unter 50 % erreicht (0,0 %), kein Ort im Gebiet",
    ]
    # The same, where the record alone would call it served.
    near = measure([rough_at(9000, 5000)], radius_m=6500.0)["gemeinde"]
    assert values(near, "gap") == [False, False, True]
    # Only a corner of A is farther than that from its seat: fewer than one layout in twenty.
    assert values(near, "judgement") == ["no_gap", "uncertain", "gap"]


def test_a_finely_located_place_nearby_settles_it() -> None:
    rows = [rough_at(5000, 5000), {"at": (14_000, 5000)}]
    table = measure(rows, radius_m=8000.0)["gemeinde"]
    assert values(table, "judgement")[:2] == ["no_gap", "no_gap"]
    assert values(table, "nearest_seat_high_m")[1] == pytest.approx(1000, abs=1e-3)


def test_a_rough_place_in_no_municipality_stays_where_it_is() -> None:
    table = measure([rough_at(5000, -1000)], radius_m=6500.0)["gemeinde"]
    assert values(table, "nearest_seat_low_m") == values(table, "nearest_seat_high_m")
    assert set(values(table, "judgement")) == {"no_gap", "gap"}


def test_the_range_of_a_share_is_shown_so_that_they_contain_it() -> None:
    people = world.people_at([(A, 500, 500, 1), (A, 5000, 5000, 5), (A, 9500, 5000, 2999)])
    rows = [{"at": (5000, 5000)}, rough_at(5000, 5000)]
    table = measure(rows, people, radius_m=4000.0)["gemeinde"]
    assert values(table, "gap_reason")[0] == (UNCERTAIN.format("0,1 % bis 100,0 %"))


@pytest.mark.parametrize(("draws", "low", "high"), [(100, 5, 96), (20, 1, 20)])
def test_one_more_draw_falls_in_the_range_nine_times_in_ten(
    draws: int, low: int, high: int
) -> None:
    ranks = np.random.default_rng(1).permutation(draws)[None] + 1.0
    assert [float(end[0]) for end in middle(np.array([draws / 2]), ranks)[1:]] == [low, high]
    random = np.random.default_rng(2).normal(size=(20_000, draws + 1))
    ends = middle(np.median(random, axis=1), random[:, :-1])
    inside = (random[:, -1] >= ends.low) & (random[:, -1] <= ends.high)
    assert inside.mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("places", "people", "small"),
    [(5, 1000, False), (4, 1000, True), (5, 999, True), (0, 100_000, True)],
)
def test_few_places_or_few_people_make_small_numbers(places: int, people: int, small: bool) -> None:
    table = measure([{"at": (1, 1)}] * places, world.people_at([(A, 5000, 5000, people)]))
    assert values(table["gemeinde"], "small_numbers")[0] is small


# ------------------------------------------------------------------- people unknown


def unknown_people(*people: float, name: str = "Schutzsuchende") -> Population:
    seats = population.seat_population(SQUARES)
    return replace(seats, people=np.array(people), basis="figures", name=name)


def test_unknown_people_are_in_no_sum_and_the_area_says_so() -> None:
    rows = [{"at": (5000, 5000)}]
    levels = measure(rows, unknown_people(200, np.nan, np.nan), radius_m=6000.0)
    towns, kreise, land = (levels[level] for level in ("gemeinde", "kreis", "land"))

    assert values(towns, "municipalities_unknown") == [0, 1, 1]
    assert values(towns, "people_counted") == [200, None, None]
    assert values(towns, "judgement") == ["no_gap", "unknown", "unknown"]
    assert values(towns, "gap") == [False, None, None]
    assert values(towns, "gap_reason")[1] == "nicht beurteilt: Zahl der Menschen unbekannt"
    for name in ("people_reached", *RANGES, *itertools.chain(*RANGES.values())):
        if not name.startswith("nearest_seat"):
            assert values(towns, name)[1:] == [None, None], name
    assert values(towns, "nearest_seat_m")[1] == pytest.approx(10_000, abs=1e-3)
    assert values(towns, "small_numbers") == [True, True, True]

    assert values(kreise, "municipalities_unknown") == [1, 1]
    assert values(kreise, "people_counted") == [200, None]
    assert values(kreise, "judgement") == ["no_gap", "unknown"]
    assert values(land, "municipalities_unknown") == [2]
    assert values(land, "share_reached") == [1]
    assert values(land, "e2sfca") == [50]
    assert set(towns["population_basis"]) == {"figures"}


def test_nobody_is_not_the_same_as_unknown() -> None:
    towns = measure([{"at": (1, 1)}], unknown_people(0, np.nan, 60))["gemeinde"]
    assert values(towns, "people_counted") == [0, None, 60]
    assert values(towns, "judgement") == ["too_small", "unknown", "gap"]


def test_many_places_of_an_area_of_unknown_people_are_not_called_few() -> None:
    towns = measure([{"at": (1, 1)}] * 5, unknown_people(np.nan, 5000, 5000))["gemeinde"]
    assert values(towns, "small_numbers") == [None, True, True]


def test_places_per_10k_are_of_the_people_of_the_demand() -> None:
    rows = [{"at": (5000, 5000)}]
    assert values(measure(rows)["gemeinde"], "places_per_10k")[0] == 10
    named = measure(rows, unknown_people(200, np.nan, 50))["gemeinde"]
    assert values(named, "places_per_10k") == [50, None, 0]
    assert values(named, "population") == [1000, 3000, 100]


@pytest.mark.parametrize("precision", ["address", "municipality"])
def test_places_of_unknown_people_count_in_no_ratio(precision: str) -> None:
    """A and B make one Kreis; only A's 200 people are known."""
    here = {"at": (5000, 5000), "coordinate_precision": "address"}
    there = {"at": (14_000, 5000), "coordinate_precision": precision}
    people = unknown_people(200, np.nan, 50)
    alone = measure([here], people, radius_m=12_000.0)
    both = measure([here, there, there], people, radius_m=12_000.0)

    assert values(both["kreis"], "places") == [3, 0]
    for level in ("kreis", "land"):
        for name in ("places_per_10k", "e2sfca", "e2sfca_low", "e2sfca_high"):
            assert values(both[level], name) == values(alone[level], name), (level, name)
    assert values(both["kreis"], "places_per_10k") == [50, 0]


# ---------------------------------------------------------------------------- filters


def test_places_coarser_than_wanted_count_nowhere() -> None:
    precisions = ["address", "street", "postcode", "locality", "municipality"]
    rows = [{"at": (1, 1), "coordinate_precision": name} for name in precisions]
    rows += [{"at": (5000, -100), "coordinate_precision": "locality"}, {}]
    for wanted, places in zip([*precisions, None], (1, 2, 3, 4, 5, 5), strict=True):
        table = measure(rows, minimum_precision=wanted)["gemeinde"]
        assert values(table, "places")[0] == places
    fine = measure(rows, minimum_precision="street")["land"]
    assert values(fine, "rough") == [0]
    assert values(fine, "share_low") == values(fine, "share_high")
    count = coverage.count_places(
        world.places(rows), SQUARES, parameters=CoverageParameters(minimum_precision="street")
    )
    assert count == coverage.PlaceCount(records=7, selected=3, counted=2, outside=0, unplaced=1)


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ({"source_date": "2025-11-23"}, True),
        ({"source_date": "2025-11-22"}, False),
        ({"source_date": "2025"}, True),  # may be 31 December
        ({"source_date": "2015", "confirmed_on": "2026-01-01"}, True),
        ({}, False),  # unknown is not current
    ],
)
def test_only_places_stated_or_confirmed_within_the_months_count(
    columns: dict[str, Any], counts: bool
) -> None:
    rows = [{"at": (1, 1), **columns}]
    assert values(measure(rows, current_within_months=12)["land"], "places") == [int(counts)]
    count = coverage.count_places(
        world.places([*rows, {}]),
        SQUARES,
        parameters=CoverageParameters(current_within_months=12),
        today=TODAY,
    )
    assert count.selected == count.counted + count.outside + count.unplaced == int(counts)


def test_to_judge_what_is_current_a_day_is_needed() -> None:
    with pytest.raises(QueryError, match="today: expected a date"):
        coverage.select_places(world.places([]), CoverageParameters(current_within_months=12))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minimum_precision", "house"),
        ("minimum_precision", ""),
        ("current_within_months", 0),
        ("current_within_months", 1201),
        ("current_within_months", 1.5),
    ],
)
def test_a_filter_out_of_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(QueryError, match=rf"^{name}: expected .*, got "):
        CoverageParameters(**{name: value})


def test_filters_are_described_in_german() -> None:
    described = CoverageParameters(minimum_precision="street", current_within_months=12).describe()
    assert described["Genauigkeit"] == "mindestens Straße; gröber verortete Orte zählen nicht"
    assert described["Aktualität"] == (
        "nur in den letzten 12 Monaten angegeben oder bestätigt; Orte ohne Datum zählen nicht"
    )
    assert CoverageParameters().describe()["Genauigkeit"] == "jede"
    assert CoverageParameters().describe()["Aktualität"] == "jede"
    assert CoverageParameters().describe()["Spanne"] == (
        "mittlere neun Zehntel, wenn die grob verorteten Orte in 100 Lagen (20 bei über 20.000"
        " Wohnpunkten) in ihrer Gemeinde verteilt werden"
    )


# ------------------------------------------------------------------------- invariants

SPOT = st.tuples(st.integers(1, 29_999), st.integers(1, 9999))
FINE = st.one_of(SPOT, st.tuples(st.integers(-3000, 33_000), st.integers(-3000, 13_000)))
ROUGH_ROW = st.builds(
    lambda at, precision: {"at": at, "coordinate_precision": precision},
    SPOT,
    st.sampled_from(["postcode", "locality", "municipality"]),
)
ROWS = st.lists(st.one_of(ROUGH_ROW, FINE.map(lambda at: {"at": at})), max_size=8)
CELL = st.tuples(
    st.integers(0, 2),
    st.integers(0, 9999),
    st.integers(0, 9999),
    st.one_of(st.integers(0, 500), st.just(float("nan"))),
).map(lambda c: ((A, B, C)[c[0]], c[0] * 10_000 + c[1], c[2], c[3]))
CELLS = st.lists(CELL, min_size=1, max_size=12)
RADIUS = st.integers(500, 20_000).map(lambda radius_m: radius_m + 0.37)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(rows=ROWS, cells=CELLS, radius_m=RADIUS)
@SLOW
def test_a_range_contains_the_indicator(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float
) -> None:
    for table in measure(rows, world.people_at(cells), radius_m=radius_m).values():
        assert_inside(table)
        assert set(table["judgement"]) <= set(JUDGEMENTS)
        sure = table[table["judgement"].isin(["gap", "no_gap"])]
        assert (sure["gap"] == (sure["judgement"] == "gap")).all()
        for name in ("share_low", "share_high"):
            assert (sure["gap"] == (sure[name] < 0.5)).all()


@given(rows=st.lists(FINE.map(lambda at: {"at": at}), max_size=8), cells=CELLS, radius_m=RADIUS)
@SLOW
def test_finely_located_places_leave_no_range(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float
) -> None:
    for table in measure(rows, world.people_at(cells), radius_m=radius_m).values():
        for name, ends in RANGES.items():
            for end in ends:
                np.testing.assert_array_equal(table[end], table[name])
        assert "uncertain" not in set(table["judgement"])


@given(
    seed=st.integers(0, 10_000),
    spots=st.integers(1, 60),
    near=st.integers(1, 8),
    at_once=st.integers(1, 20),
)
@settings(max_examples=60, deadline=None)
def test_the_nearest_taken_spot_of_each_layout_is_found(
    seed: int, spots: int, near: int, at_once: int
) -> None:
    random = np.random.default_rng(seed)
    xy_m, spots_m = (random.uniform(0, 10_000, (count, 2)) for count in (15, spots))
    taken = random.uniform(size=(7, spots)) < 0.15
    taken[np.arange(7), random.integers(0, spots, 7)] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uncertainty, "_NEAR", near)
        patch.setattr(uncertainty, "_POINTS_AT_ONCE", at_once)
        ours = nearest_taken(xy_m, spots_m, taken)
    exact = [cdist(xy_m, spots_m[there]).min(axis=1) for there in taken]
    np.testing.assert_allclose(ours, exact, rtol=1e-6)


@given(rows=ROWS, cells=CELLS, radius_m=RADIUS)
@SLOW
def test_sums_of_known_people_over_every_level_equal_the_lands(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float
) -> None:
    levels = measure(rows, world.people_at(cells), radius_m=radius_m)
    land = levels["land"]
    for table in levels.values():
        for name in (
            "people_counted",
            "people_reached",
            "people_beyond",
            "municipalities_unknown",
            "rough",
            "places",
        ):
            assert table[name].sum() == land[name].sum(), name


@given(rows=ROWS, others=ROWS, cells=CELLS, radius_m=RADIUS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_terrain_remembers_without_changing_an_answer(
    rows: list[dict[str, Any]], others: list[dict[str, Any]], cells: list[Any], radius_m: float
) -> None:
    people = world.people_at(cells)
    terrain = Terrain.of(GROUND, people)
    parameters = CoverageParameters(radius_m=radius_m)
    for asked in (rows, others, rows):
        again = measure_terrain(world.places(asked), terrain, parameters=parameters, today=TODAY)
        fresh = measure(asked, people, radius_m=radius_m)
        for level in LEVELS:
            pd.testing.assert_frame_equal(again[level], fresh[level], check_exact=True)


# ------------------------------------------------------------------------ spots and lots


def test_lots_are_those_of_splitmix64() -> None:
    names = [f"r{number}" for number in range(200)]
    lots = draw_lots(hash_texts(names), DRAWS)
    assert lots.tolist() == [[lot(name, draw) for name in names] for draw in range(DRAWS)]
    assert np.bincount(lots.ravel(), minlength=SPOTS) == pytest.approx(1250, rel=0.1)
    np.testing.assert_array_equal(draw_lots(hash_texts(names[7:9]), FEWER_DRAWS), lots[:20, 7:9])


def test_spots_follow_from_key_and_shape_alone_and_are_even() -> None:
    keys = [f"0{number}" for number in range(400)]
    shapes = np.array([shapely.Point(100, 50).buffer(40, quad_segs=40) for _ in keys])
    middles = np.full((400, 2), np.nan)
    spots = spread_spots(shapes, keys, middles)
    np.testing.assert_array_equal(spread_spots(shapes[5:8], keys[5:8], middles[5:8]), spots[5:8])
    from_middle = spots.reshape(-1, 2) - (100, 50)
    assert (np.hypot(*from_middle.T) < 40.001).all()
    assert (np.hypot(*from_middle.T) < 20).mean() == pytest.approx(0.25, abs=0.02)
    for axis in from_middle.T:
        assert (axis > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_a_sliver_has_its_seat_in_place_of_spots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spots_module, "_TRIED", 64)
    sliver = np.array([shapely.Polygon([(0, 0), (1000, 1000), (1000, 1000.0001)])])
    assert (spread_spots(sliver, ["x"], np.array([[7.0, 7.0]])) == 7).all()


def test_other_places_change_nothing_far_from_them() -> None:
    rows = [rough_at(5000, 5000), rough_at(15_000, 5000, id="b"), {"at": (6000, 1000)}]
    before = measure(rows, world.people_at(TOWNS), radius_m=2000.0)["gemeinde"]
    for more in (rough_at(25_000, 5000, id="new"), {"at": (29_000, 400), "id": "new"}):
        for added in (
            [*rows, more],
            [more, *({**row, "id": f"r{n}"} | row for n, row in enumerate(rows))],
        ):
            after = measure(added, world.people_at(TOWNS), radius_m=2000.0)["gemeinde"]
            near = [*itertools.chain(RANGES, *RANGES.values()), "judgement", "gap_reason"]
            near = [name for name in near if not name.startswith("nearest_seat")]
            pd.testing.assert_frame_equal(after[near][:1], before[near][:1], check_exact=True)
            assert after["nearest_mean_m"][2] < before["nearest_mean_m"][2]


def test_a_range_is_the_same_in_every_process() -> None:
    code = (
        "import test_coverage_ranges as t, hashlib\n"
        "table = t.measure(t.WORLD, t.world.people_at(t.TOWNS))['gemeinde']\n"
        "print(hashlib.sha256(table.to_csv().encode()).hexdigest())"
    )

    def printed(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS)}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
        return run.stdout.decode().strip()

    here = measure(WORLD, world.people_at(TOWNS))["gemeinde"].to_csv().encode()
    assert printed("1") == printed("2") == hashlib.sha256(here).hexdigest()


def test_a_terrain_keeps_the_arrays_asked_for_last() -> None:
    recent, made = Recent(2 * 800), []

    def ask(key: str) -> None:
        recent.get(key, lambda: (made.append(key), np.zeros(100))[1])

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)
    assert made == ["a", "b", "c", "b"]


# --------------------------------------------------------------------- the real Land


@pytest.fixture(scope="module")
def land() -> Municipalities:
    return municipalities.load_municipalities(BOUNDARIES)


@pytest.fixture(scope="module")
def ground(land: Municipalities) -> Ground:
    return Ground(land)


@pytest.fixture(scope="module")
def metric(land: Municipalities) -> np.ndarray:
    """The municipalities in metres, their edges short enough to stay straight."""
    fine = land.geometry.segmentize(0.001)
    return np.asarray(fine.to_crs(METRIC_CRS).array)


def located(land: Municipalities, xy_m: np.ndarray, rows: np.ndarray, rough: bool) -> Any:
    """Build a place at each point, in the municipalities of the given rows."""
    count = len(rows)
    columns = {
        "id": [f"r{number}" for number in range(count)],
        "name": ["Ort"] * count,
        "category": [CATEGORIES[0]] * count,
        "source_line": list(range(count)),
        "coordinate_status": ["found"] * count,
        "coordinate_precision": ["municipality" if rough else "address"] * count,
        "ags": land["ags"].iloc[rows].tolist(),
    }
    points = gpd.GeoSeries(shapely.points(xy_m), crs=METRIC_CRS).to_crs(WGS84)
    table = as_columns(columns, INITIATIVE_COLUMNS)
    return check_initiatives(gpd.GeoDataFrame(table, geometry=points.array, crs=WGS84))


def somewhere_in(polygon: Any, random: np.random.Generator) -> tuple[float, float]:
    west, south, east, north = polygon.bounds
    while True:
        x_m, y_m = random.uniform(west, east), random.uniform(south, north)
        if shapely.contains_xy(polygon, x_m, y_m):
            return x_m, y_m


@pytest.mark.parametrize("seed", [4, 5])
def test_nine_real_moves_in_ten_stay_in_a_kreis_range(
    land: Municipalities, ground: Ground, metric: np.ndarray, seed: int
) -> None:
    """Rough places move to points of their municipality that have nothing to do with spots."""
    random = np.random.default_rng(seed)
    rows = random.choice(len(land), 400, replace=True)
    terrain = Terrain.of(ground, population.seat_population(land))
    parameters = CoverageParameters(radius_m=4000.37, minimum_people=0)

    def measured(xy_m: np.ndarray, *, rough: bool) -> Coverage:
        places = located(land, xy_m, rows, rough)
        levels = measure_terrain(places, terrain, parameters=parameters, today=TODAY)
        return levels["kreis"]

    somewhere = np.array([somewhere_in(metric[row], random) for row in rows])
    ranges = measured(somewhere, rough=True)
    assert_inside(ranges)
    inside: dict[str, list[float]] = {"share_reached": [], "nearest_mean_m": [], "e2sfca": []}
    for _ in range(25):
        moved = measured(np.array([somewhere_in(metric[row], random) for row in rows]), rough=False)
        for name, shares in inside.items():
            low, high = (ranges[end] for end in RANGES[name])
            shares.append(((moved[name] >= low) & (moved[name] <= high)).mean())
    for name, shares in inside.items():
        assert 0.86 <= np.mean(shares) <= 0.97, (name, np.mean(shares))


def test_sixteen_spots_stand_in_each_municipality(ground: Ground, metric: np.ndarray) -> None:
    spots = ground.spots_xy_m
    assert spots.shape == (len(metric), SPOTS, 2)
    assert shapely.distance(shapely.points(spots), metric[:, None]).max() < 0.05
    assert len(np.unique(spots.reshape(-1, 2), axis=0)) == spots.shape[0] * SPOTS
