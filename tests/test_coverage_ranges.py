from __future__ import annotations

import datetime as dt
import itertools
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

from geo_service import coverage, municipalities, population
from geo_service.coverage import CoverageParameters, Ground, Terrain, measure_terrain
from geo_service.coverage.uncertainty import bound_distances
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
BOUNDARIES = Path(__file__).resolve().parents[1] / "data" / "gemeinden" / "gemeinden.gpkg"
SQUARES = world.three_squares()
GROUND = Ground(SQUARES)
BOUNDED = {
    "share_reached": ("share_low", "share_high"),
    "people_beyond": ("beyond_low", "beyond_high"),
    "nearest_seat_m": ("nearest_seat_low_m", "nearest_seat_high_m"),
    "nearest_mean_m": ("nearest_mean_low_m", "nearest_mean_high_m"),
    "e2sfca": ("e2sfca_low", "e2sfca_high"),
}
"""Each indicator with its bounds."""


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


def assert_inside(moved: Coverage, bounds: Coverage, *names: str) -> None:
    """Every value of `moved` is within the range of `bounds`, but for rounding."""
    for name in names or BOUNDED:
        low, high = (bounds[bound] for bound in BOUNDED[name])
        slack = 1e-9 * high.abs() + 1e-9
        within = (moved[name] >= low - slack) & (moved[name] <= high + slack)
        assert (within | moved[name].isna()).all(), name
        assert (moved[name].isna() == low.isna()).all(), name


# --------------------------------------------------------------------------- by hand


def test_a_rough_place_may_stand_anywhere_in_its_municipality() -> None:
    table = measure([rough_at(5000, 5000)], radius_m=8000.0)["gemeinde"]

    # From A's seat at most its corner, from the seats of B and C the near and far corners.
    assert values(table, "nearest_seat_m") == pytest.approx([0, 10_000, 20_000], abs=1e-3)
    assert values(table, "nearest_seat_high_m") == pytest.approx(
        [7071.07, 15_811.39, 25_495.1], abs=0.05
    )
    low = values(table, "nearest_seat_low_m")
    assert low[0] == 0
    assert 4990 < low[1] <= 5000.2  # the border, straight in degrees, is not quite at 10,000
    assert 14_996 < low[2] <= 15_000.2
    assert values(table, "share_low") == [1, 0, 0]
    assert values(table, "share_high") == [1, 1, 0]
    assert values(table, "beyond_low") == [0, 0, 100]
    assert values(table, "beyond_high") == [0, 3000, 100]


def test_a_judgement_that_depends_on_rough_places_is_uncertain() -> None:
    table = measure([rough_at(5000, 5000)], radius_m=8000.0)["gemeinde"]
    assert values(table, "gap") == [False, True, True]
    assert values(table, "judgement") == ["no_gap", "uncertain", "gap"]
    assert values(table, "gap_reason") == [
        None,
        "ungewiss: 0,0 % bis 100,0 % erreicht, je nachdem, wo grob verortete Orte stehen",
        "unter 50 % erreicht (0,0 %), kein Ort im Gebiet",
    ]
    # The same, where the record alone would call it served.
    near = measure([rough_at(9000, 5000)], radius_m=6500.0)["gemeinde"]
    assert values(near, "gap") == [False, False, True]
    assert values(near, "judgement") == ["uncertain", "uncertain", "gap"]


def test_a_finely_located_place_nearby_settles_it() -> None:
    rows = [rough_at(5000, 5000), {"at": (14_000, 5000)}]
    table = measure(rows, radius_m=8000.0)["gemeinde"]
    assert values(table, "judgement")[:2] == ["no_gap", "no_gap"]
    assert values(table, "nearest_seat_high_m")[1] == pytest.approx(1000, abs=1e-3)


def test_a_rough_place_in_no_municipality_stays_where_it_is() -> None:
    table = measure([rough_at(5000, -1000)], radius_m=6500.0)["gemeinde"]
    assert values(table, "nearest_seat_low_m") == values(table, "nearest_seat_high_m")
    assert set(values(table, "judgement")) == {"no_gap", "gap"}


def test_the_bounds_of_a_share_are_shown_so_that_they_contain_it() -> None:
    people = world.people_at([(A, 500, 500, 1), (A, 5000, 5000, 5), (A, 9500, 5000, 2999)])
    rows = [{"at": (5000, 5000)}, rough_at(15_000, 5000)]
    table = measure(rows, people, radius_m=1000.0)["gemeinde"]
    assert values(table, "gap_reason")[0] == (
        "ungewiss: 0,1 % bis 100,0 % erreicht, je nachdem, wo grob verortete Orte stehen"
    )


def test_e2sfcas_range_is_what_the_possible_spots_give() -> None:
    """The oracle: every combination of spots, measured on its own as a fine place."""
    people = world.people_at(
        [(A, 1000, 1000, 400), (A, 5000, 5200, 900), (B, 11_000, 9000, 700), (C, 29_000, 500, 300)]
    )
    rows = [rough_at(5000, 5000), rough_at(15_000, 5000), {"at": (2000, 2000)}]
    bounds = measure(rows, people, radius_m=6000.37)
    spots = GROUND.borders.spots - np.array(world.CORNER)
    tried: dict[str, list[np.ndarray]] = {level: [] for level in LEVELS}
    for one, other in itertools.product(range(8), repeat=2):
        moved = [
            {"at": tuple(spots[0, one]), "ags": A},
            {"at": tuple(spots[1, other]), "ags": B},
            {"at": (2000, 2000)},
        ]
        for level, table in measure(moved, people, radius_m=6000.37).items():
            tried[level].append(table["e2sfca"].to_numpy())
    for level in LEVELS:
        least = np.minimum.reduce(tried[level])
        most = np.maximum.reduce(tried[level])
        np.testing.assert_allclose(bounds[level]["e2sfca_low"], least, rtol=1e-9)
        np.testing.assert_allclose(bounds[level]["e2sfca_high"], most, rtol=1e-9)


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
    for name in ("people_reached", *BOUNDED, *itertools.chain(*BOUNDED.values())):
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


def is_rough(row: dict[str, Any]) -> bool:
    return row.get("coordinate_precision", "address") not in FINE_PRECISIONS


@given(rows=ROWS, cells=CELLS, radius_m=RADIUS)
@SLOW
def test_a_range_contains_the_indicator(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float
) -> None:
    for table in measure(rows, world.people_at(cells), radius_m=radius_m).values():
        assert_inside(table, table)
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
        for name, bounds in BOUNDED.items():
            for bound in bounds:
                np.testing.assert_array_equal(table[bound], table[name])
        assert "uncertain" not in set(table["judgement"])


@given(rows=ROWS, cells=CELLS, radius_m=RADIUS, seed=st.integers(0, 10_000))
@SLOW
def test_a_range_contains_what_any_move_within_the_municipality_gives(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float, seed: int
) -> None:
    people, random = world.people_at(cells), np.random.default_rng(seed)
    bounds = measure(rows, people, radius_m=radius_m)
    for _ in range(2):
        moved = [
            {
                "at": (
                    row["at"][0] // 10_000 * 10_000 + random.uniform(5, 9995),
                    random.uniform(5, 9995),
                )
            }
            if is_rough(row)
            else row
            for row in rows
        ]
        distances = set(BOUNDED) - {"e2sfca"}
        for level, table in measure(moved, people, radius_m=radius_m).items():
            assert_inside(table, bounds[level], *distances)


@given(rows=ROWS, cells=CELLS, radius_m=RADIUS, seed=st.integers(0, 10_000))
@SLOW
def test_e2sfcas_range_contains_what_any_move_among_the_spots_gives(
    rows: list[dict[str, Any]], cells: list[Any], radius_m: float, seed: int
) -> None:
    people, random = world.people_at(cells), np.random.default_rng(seed)
    bounds = measure(rows, people, radius_m=radius_m)
    spots = GROUND.borders.spots - np.array(world.CORNER)
    moved = []
    for row in rows:
        square = int(row["at"][0] // 10_000)
        at = (
            {"at": tuple(spots[square, random.integers(8)]), "ags": (A, B, C)[square]}
            if (is_rough(row))
            else row
        )
        moved.append(at)
    for level, table in measure(moved, people, radius_m=radius_m).items():
        assert_inside(table, bounds[level], "e2sfca")


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
            "beyond_low",
            "beyond_high",
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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bounds_of_distances_agree_with_shapely(
    land: Municipalities, ground: Ground, metric: np.ndarray, seed: int
) -> None:
    random = np.random.default_rng(seed)
    rough = np.zeros(len(land), dtype=bool)
    rough[random.choice(len(land), 30 * seed, replace=False)] = True
    home = random.choice(len(land), 200, replace=False)
    at = np.array([somewhere_in(metric[row], random) for row in home])
    near, far = bound_distances(at, home, ground.borders, rough)
    points = shapely.points(at)[:, None]
    exact = shapely.distance(points, metric[rough]).min(axis=1)
    assert (near <= exact + 0.01).all()
    assert (near**2 + (ground.borders.step_m / 2) ** 2 >= (exact - 0.1) ** 2).all()
    longest = shapely.hausdorff_distance(points, metric[rough]).min(axis=1)
    np.testing.assert_allclose(far, longest, atol=0.05)


@pytest.mark.parametrize("seed", [4, 5])
def test_a_range_of_the_real_land_contains_moves_of_its_rough_places(
    land: Municipalities, ground: Ground, metric: np.ndarray, seed: int
) -> None:
    random = np.random.default_rng(seed)
    rows = random.choice(len(land), 250, replace=True)
    terrain = Terrain.of(ground, population.seat_population(land))
    parameters = CoverageParameters(radius_m=4000.37, minimum_people=0)

    def measured(xy_m: np.ndarray, *, rough: bool) -> dict[Any, Coverage]:
        places = located(land, xy_m, rows, rough)
        return measure_terrain(places, terrain, parameters=parameters, today=TODAY)

    bounds = measured(ground.seats_xy_m[rows], rough=True)
    for table in bounds.values():
        assert_inside(table, table)
    for _ in range(3):
        inside = np.array([somewhere_in(metric[row], random) for row in rows])
        for level, table in measured(inside, rough=False).items():
            assert_inside(table, bounds[level], *(set(BOUNDED) - {"e2sfca"}))
        spots = ground.borders.spots[rows, random.integers(0, 8, len(rows))]
        for level, table in measured(spots, rough=False).items():
            assert_inside(table, bounds[level], "e2sfca")
            assert_inside(table, bounds[level])


def test_spots_stand_in_their_municipality_and_circles_hold_it(
    ground: Ground, metric: np.ndarray
) -> None:
    spots = shapely.points(ground.borders.spots)
    assert shapely.distance(spots, metric[:, None]).max() < 0.01
    x_m, y_m, radius_m = ground.borders.circles.T
    corners = ground.borders.hulls - np.column_stack([x_m, y_m])[:, None]
    assert (np.hypot(*corners.transpose(2, 0, 1)) <= radius_m[:, None] + 1e-6).all()
