"""Points to municipalities, the four levels, thinner borders."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service import config
from geo_service.errors import FileFormatError, QueryError
from geo_service.municipalities import (
    LAYER,
    NEAR_MISS_M,
    MunicipalityIndex,
    assign,
    build_areas,
    load_municipalities,
    simplify,
)
from geo_service.schema import (
    INITIATIVE_COLUMNS,
    LEVELS,
    METRIC_CRS,
    MUNICIPALITY_COLUMNS,
    Initiatives,
    Municipalities,
    as_columns,
    check_initiatives,
    check_municipalities,
)

PATH = config.data_dir() / "gemeinden" / "gemeinden.gpkg"


def square(west: float, east: float) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.box(west, 50.0, east, 50.01)])


def three_squares(*, ags: tuple[str, str, str] = ("07131001", "07131002", "07132003")):
    """Three squares side by side from 7.00° to 7.03° east, 50.00° to 50.01° north."""
    rows = [
        {
            "ags": key,
            "ars": f"{key[:5]}5001{key[5:]}",
            "name": name,
            "designation": "Gemeinde",
            "verbandsgemeinde": "Ost" if key == ags[2] else None,
            "verbandsgemeinde_key": f"{key[:5]}5001" if key == ags[2] else f"{key[:5]}0{key[5:]}",
            "kreis": f"Kreis {key[:5]}",
            "kreis_key": key[:5],
            "land_key": "07",
            "population": 1000 * (number + 1),
            "area_km2": 0.5,
            "postcode": "55000",
            "seat_lon": 7.005 + 0.01 * number,
            "seat_lat": 50.005,
            "seat_source": "official",
        }
        for number, (key, name) in enumerate(zip(ags, ("A", "B", "C"), strict=True))
    ]
    frame = gpd.GeoDataFrame(
        pd.DataFrame(rows).astype(dict(MUNICIPALITY_COLUMNS)),
        geometry=[square(7.0, 7.01), square(7.01, 7.02), square(7.02, 7.03)],
        crs="EPSG:4326",
    )
    return check_municipalities(frame)


WORLD = three_squares()
INDEX = MunicipalityIndex(WORLD)
"""For properties: hypothesis calls one test many times, and fixtures do not mix with it."""


@pytest.fixture(scope="module")
def world() -> Municipalities:
    return three_squares()


@pytest.fixture(scope="module")
def index(world: Municipalities) -> MunicipalityIndex:
    return MunicipalityIndex(world)


@pytest.fixture(scope="module")
def land() -> Municipalities:
    return load_municipalities(PATH)


@pytest.fixture(scope="module")
def land_index(land: Municipalities) -> MunicipalityIndex:
    return MunicipalityIndex(land)


def find_one(index: MunicipalityIndex, lon: float, lat: float, **options: float) -> str | None:
    found = index.find(np.array([lon]), np.array([lat]), **options)[0]
    assert options or index.find_one(lon, lat) == found
    return found


def reference(municipalities: Municipalities, lon: np.ndarray, lat: np.ndarray) -> list[str | None]:
    """Plain geopandas: intersects, then the lowest AGS."""
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326")
    joined = points.sjoin(municipalities[["ags", "geometry"]], predicate="intersects")
    lowest = joined.groupby(level=0)["ags"].min().reindex(range(len(lon)))
    return [None if pd.isna(ags) else str(ags) for ags in lowest]


# --------------------------------------------------------------------- where a point lies

LON = st.floats(6.99, 7.04) | st.sampled_from([7.0, 7.01, 7.02, 7.03])
LAT = st.floats(49.99, 50.02) | st.sampled_from([50.0, 50.01])


@settings(deadline=None)
@given(st.lists(st.tuples(LON, LAT), min_size=1, max_size=30))
def test_every_point_gets_what_geopandas_finds(points: list[tuple[float, float]]) -> None:
    lon, lat = np.array(points).T
    found = INDEX.find(lon, lat, tolerance_m=0.0)
    assert found.tolist() == reference(WORLD, lon, lat)


@settings(deadline=None)
@given(LON, LAT)
def test_three_squares_agree_with_arithmetic(lon: float, lat: float) -> None:
    found = find_one(INDEX, lon, lat, tolerance_m=0.0)
    if not (7.0 <= lon <= 7.03 and 50.0 <= lat <= 50.01):
        assert found is None
    else:
        expected = "07131001" if lon <= 7.01 else "07131002" if lon <= 7.02 else "07132003"
        assert found == expected


@settings(deadline=None)
@given(st.floats(50.0, 50.01), st.sampled_from([(7.01, "07131001"), (7.02, "07131002")]))
def test_border_point_takes_lowest_ags(lat: float, border: tuple[float, str]) -> None:
    lon, expected = border
    assert find_one(INDEX, lon, lat) == expected


@pytest.mark.parametrize("side_deg", [0.0001, 0.001, 0.0025, 0.0037, 0.01, 0.5])
def test_cells_of_any_size_give_the_same_answer(
    world: Municipalities, monkeypatch: pytest.MonkeyPatch, side_deg: float
) -> None:
    """Some sizes put the squares' borders on the borders of cells."""
    random = np.random.default_rng(1)
    borders = np.array([7.0, 7.01, 7.02, 7.03])
    lon = np.concatenate(
        [
            random.uniform(6.99, 7.04, 1000),
            *(np.repeat(np.nextafter(borders, towards), 25) for towards in (0.0, 90.0)),
            np.repeat(borders, 25),
        ]
    )
    lat = random.uniform(49.995, 50.015, len(lon))
    monkeypatch.setattr("geo_service.municipalities._CELL_DEG", side_deg)
    found = MunicipalityIndex(world).find(lon, lat, tolerance_m=0.0)
    assert found.tolist() == reference(world, lon, lat)


def test_overlapping_municipalities_still_give_the_lowest_ags(world: Municipalities) -> None:
    overlapping = world.set_geometry([square(7.0, 7.01), square(7.0, 7.01), square(7.02, 7.03)])
    index = MunicipalityIndex(check_municipalities(overlapping))
    assert find_one(index, 7.005, 50.005) == "07131001"


def test_hole_of_an_enclave_belongs_to_the_enclave(world: Municipalities) -> None:
    outer = shapely.box(7.0, 50.0, 7.03, 50.03)
    inner = shapely.box(7.01, 50.01, 7.02, 50.02)
    frame = world.iloc[:2].set_geometry(
        [shapely.MultiPolygon([outer.difference(inner)]), shapely.MultiPolygon([inner])]
    )
    index = MunicipalityIndex(check_municipalities(frame))
    assert find_one(index, 7.015, 50.015) == "07131002"
    assert find_one(index, 7.005, 50.005) == "07131001"


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (np.nan, 50.005),
        (7.005, np.nan),
        (np.nan, np.nan),
        (np.inf, 50.005),
        (7.005, -np.inf),
        (50.005, 7.005),
        (400_000.0, 5_500_000.0),
        (7.005, 91.0),
        (1e308, -1e308),
    ],
)
def test_impossible_coordinates_lie_in_no_municipality(
    index: MunicipalityIndex, lon: float, lat: float
) -> None:
    assert find_one(index, lon, lat) is None


def test_bad_coordinates_do_not_disturb_the_others(index: MunicipalityIndex) -> None:
    lon = np.array([np.nan, 7.005, np.inf, 7.025])
    lat = np.array([50.005, 50.005, 50.005, 50.005])
    assert index.find(lon, lat).tolist() == [None, "07131001", None, "07132003"]


def test_no_points_give_no_answers(index: MunicipalityIndex) -> None:
    assert index.find(np.array([]), np.array([])).tolist() == []


def test_no_municipalities_hold_no_point(world: Municipalities) -> None:
    empty = check_municipalities(world.iloc[:0])
    assert find_one(MunicipalityIndex(empty), 7.005, 50.005) is None
    assert len(build_areas(empty, "kreis")) == 0


def test_lengths_must_agree(index: MunicipalityIndex) -> None:
    with pytest.raises(QueryError, match="one length"):
        index.find(np.array([7.0, 7.1]), np.array([50.0]))


@pytest.mark.parametrize("tolerance_m", [-1.0, np.nan, np.inf])
def test_tolerance_must_be_a_length(index: MunicipalityIndex, tolerance_m: float) -> None:
    with pytest.raises(QueryError, match="tolerance"):
        find_one(index, 7.0, 50.0, tolerance_m=tolerance_m)


# ------------------------------------------------------------------------------ near misses


def metres_east_of(lon: float, lat: float, metres: float) -> tuple[float, float]:
    point = gpd.GeoSeries([shapely.Point(lon, lat)], crs="EPSG:4326").to_crs(METRIC_CRS)
    there = point.translate(xoff=metres).to_crs("EPSG:4326").iloc[0]
    return there.x, there.y


@pytest.mark.parametrize(
    ("metres", "expected"), [(1.0, "07132003"), (99.0, "07132003"), (101.0, None)]
)
def test_near_miss_takes_the_nearest_within_100_m(
    index: MunicipalityIndex, metres: float, expected: str | None
) -> None:
    assert NEAR_MISS_M == 100.0
    assert find_one(index, *metres_east_of(7.03, 50.005, metres)) == expected


def test_without_tolerance_a_near_miss_is_a_miss(index: MunicipalityIndex) -> None:
    assert find_one(index, *metres_east_of(7.03, 50.005, 1.0), tolerance_m=0.0) is None


@settings(deadline=None, max_examples=60)
@given(st.floats(7.0, 7.03), st.floats(50.01, 50.0125))
def test_near_misses_agree_with_measured_distances(lon: float, lat: float) -> None:
    point = gpd.GeoSeries([shapely.Point(lon, lat)], crs="EPSG:4326").to_crs(METRIC_CRS).iloc[0]
    distances = WORLD.to_crs(METRIC_CRS).distance(point)
    found = find_one(INDEX, lon, lat)
    if abs(distances.min() - NEAR_MISS_M) < 0.01:
        return
    assert (found is not None) == bool(distances.min() <= NEAR_MISS_M)
    if found is not None:
        assert distances[WORLD["ags"] == found].iloc[0] <= distances.min() + 0.01


@pytest.mark.parametrize("tips", [(7.02, 7.0), (7.0, 7.02)])
def test_point_at_equal_distance_takes_the_lowest_ags(
    world: Municipalities, tips: tuple[float, float]
) -> None:
    """Two triangles meet in a tip; north of it both are equally near."""
    triangles = [
        shapely.MultiPolygon([shapely.Polygon([(lon, 50.0), (7.01, 50.0), (7.01, 50.01)])])
        for lon in tips
    ]
    index = MunicipalityIndex(check_municipalities(world.iloc[:2].set_geometry(triangles)))
    assert find_one(index, 7.01, 50.0105) == "07131001"


# --------------------------------------------------------------------------------- real data


def test_the_land_is_whole(land: Municipalities) -> None:
    assert len(land) == 2300
    assert land["population"].sum() == 4_129_569
    assert shapely.coverage_is_valid(np.array(land.geometry.array))
    assert set(land.geometry.geom_type) == {"MultiPolygon"}


def test_the_file_loads_within_300_ms(land: Municipalities) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        load_municipalities(PATH)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) <= 0.3
    assert PATH.stat().st_size <= 8_000_000


def test_random_points_get_what_geopandas_finds(
    land: Municipalities, land_index: MunicipalityIndex
) -> None:
    random = np.random.default_rng(7)
    west, south, east, north = land.total_bounds
    lon, lat = random.uniform(west, east, 30_000), random.uniform(south, north, 30_000)
    found = land_index.find(lon, lat, tolerance_m=0.0)
    assert found.tolist() == reference(land, lon, lat)


def test_vertices_of_borders_get_what_geopandas_finds(
    land: Municipalities, land_index: MunicipalityIndex
) -> None:
    """`within` would lose these points, `intersects` alone would double them."""
    vertices = shapely.get_coordinates(np.array(land.geometry.array))[::13]
    jittered = vertices + np.random.default_rng(3).normal(0.0, 1e-9, vertices.shape)
    for lon, lat in (vertices.T, jittered.T):
        found = land_index.find(lon, lat, tolerance_m=0.0)
        assert found.tolist() == reference(land, lon, lat)


def test_one_point_gets_the_answer_of_many(
    land: Municipalities, land_index: MunicipalityIndex
) -> None:
    random = np.random.default_rng(5)
    west, south, east, north = land.total_bounds
    spread = random.uniform((west - 0.1, south - 0.1), (east + 0.1, north + 0.1), (3000, 2))
    vertices = shapely.get_coordinates(np.array(land.geometry.array))[::401]
    points = np.concatenate([spread, spread.round(3), vertices])
    alone = [land_index.find_one(lon, lat) for lon, lat in points.tolist()]
    assert alone == land_index.find(*points.T).tolist()


def test_every_seat_lies_in_its_municipality(
    land: Municipalities, land_index: MunicipalityIndex
) -> None:
    found = land_index.find(
        land["seat_lon"].to_numpy(), land["seat_lat"].to_numpy(), tolerance_m=0.0
    )
    assert found.tolist() == land["ags"].tolist()


def test_threads_share_one_index(land: Municipalities) -> None:
    index = MunicipalityIndex(land)
    random = np.random.default_rng(5)
    west, south, east, north = land.total_bounds
    lon, lat = random.uniform(west, east, 20_000), random.uniform(south, north, 20_000)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: index.find(lon, lat).tolist(), range(8)))
    expected = MunicipalityIndex(land).find(lon, lat).tolist()
    assert all(answer == expected for answer in answers)


@pytest.mark.parametrize(
    ("level", "count"), [("gemeinde", 2300), ("verbandsgemeinde", 170), ("kreis", 36), ("land", 1)]
)
def test_every_level_covers_the_land_once(land: Municipalities, level: str, count: int) -> None:
    areas = build_areas(land, level)
    polygons = np.array(areas.to_crs(METRIC_CRS).geometry.array)
    whole = land.to_crs(METRIC_CRS).geometry.area.sum()
    assert len(areas) == count
    assert areas["population"].sum() == 4_129_569
    assert areas["area_km2"].sum() == pytest.approx(19_851.69, abs=0.005)
    assert shapely.area(polygons).sum() == pytest.approx(whole, rel=1e-9)
    assert shapely.coverage_is_valid(np.array(areas.geometry.array))
    assert areas["key"].is_monotonic_increasing
    assert areas["name"].notna().all()


def test_areas_agree_with_geopandas_dissolve(land: Municipalities) -> None:
    areas = build_areas(land, "kreis").set_index("key")
    plain = land.dissolve("kreis_key", aggfunc={"population": "sum"})
    assert areas["population"].to_dict() == plain["population"].to_dict()
    assert areas.geometry.geom_equals(plain.geometry.loc[areas.index]).all()


@pytest.mark.parametrize("tolerance_m", [50.0, 400.0])
def test_neighbours_keep_their_common_border_when_thinned(
    land: Municipalities, tolerance_m: float
) -> None:
    thin = simplify(land, tolerance_m)
    polygons = np.array(thin.geometry.array)
    assert shapely.coverage_is_valid(polygons)
    assert thin["ags"].tolist() == land["ags"].tolist()
    assert not shapely.is_empty(polygons).any()
    assert thin.geometry.count_coordinates().sum() < land.geometry.count_coordinates().sum()
    whole = shapely.area(np.array(land.geometry.array)).sum()
    assert shapely.area(shapely.coverage_union_all(polygons)) == pytest.approx(whole, rel=0.002)


def test_thinning_leaves_the_table_it_was_given_alone(land: Municipalities) -> None:
    before = land.geometry.count_coordinates().sum()
    simplify(land, 400.0)
    assert land.geometry.count_coordinates().sum() == before


def test_no_tolerance_thins_nothing(world: Municipalities) -> None:
    assert simplify(world, 0.0).geometry.geom_equals_exact(world.geometry, 0.0).all()


@pytest.mark.parametrize("tolerance_m", [-1.0, np.nan, np.inf])
def test_thinning_needs_a_length(world: Municipalities, tolerance_m: float) -> None:
    with pytest.raises(QueryError, match="tolerance"):
        simplify(world, tolerance_m)


# ---------------------------------------------------------------------------- areas by hand


def test_municipality_without_verbandsgemeinde_is_a_unit_of_its_own(world: Municipalities) -> None:
    areas = build_areas(world, "verbandsgemeinde")
    assert areas["key"].tolist() == ["071310001", "071310002", "071325001"]
    assert areas["name"].tolist() == ["A", "B", "Ost"]


def test_kreis_adds_up_its_municipalities(world: Municipalities) -> None:
    areas = build_areas(world, "kreis")
    assert areas["population"].tolist() == [3000, 3000]
    assert areas["area_km2"].tolist() == [1.0, 0.5]
    assert areas.geometry.iloc[0].equals(shapely.box(7.0, 50.0, 7.02, 50.01))


def test_land_is_called_by_its_name(world: Municipalities) -> None:
    assert build_areas(world, "land")["name"].tolist() == ["Rheinland-Pfalz"]


def test_rows_of_one_area_need_not_stand_together(world: Municipalities) -> None:
    """Municipalities of one Verbandsgemeinde are scattered when rows are sorted by AGS."""
    keys = pd.Series(["071325001", "071310002", "071325001"], dtype="str")
    areas = build_areas(
        check_municipalities(world.assign(verbandsgemeinde_key=keys)), "verbandsgemeinde"
    )
    assert areas["key"].tolist() == ["071310002", "071325001"]
    assert areas["population"].tolist() == [2000, 4000]


def test_unknown_level_is_refused(world: Municipalities) -> None:
    with pytest.raises(QueryError, match=f"level: expected one of {', '.join(LEVELS)}"):
        build_areas(world, "bezirk")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------ assign


def initiatives_at(points: list[tuple[float, float] | None]) -> Initiatives:
    placed = [point is not None for point in points]
    frame = as_columns(
        {
            "id": [f"i{number}" for number in range(len(points))],
            "name": ["Begegnungscafé"] * len(points),
            "source_line": list(range(len(points))),
            "coordinate_status": ["found" if there else "not_found" for there in placed],
            "coordinate_precision": ["address" if there else None for there in placed],
        },
        INITIATIVE_COLUMNS,
    )
    geometry = [None if point is None else shapely.Point(point) for point in points]
    return check_initiatives(gpd.GeoDataFrame(frame, geometry=geometry, crs="EPSG:4326"))


def test_point_is_checked_against_the_stated_municipality(index: MunicipalityIndex) -> None:
    initiatives = initiatives_at([(7.005, 50.005)] * 3 + [(8.0, 51.0), (8.0, 51.0), None, None])
    stated = [
        frozenset({"07131001", "07132003"}),
        frozenset({"07131002"}),
        frozenset(),
        frozenset({"07131001"}),
        frozenset(),
        frozenset({"07131001"}),
        frozenset(),
    ]
    assigned = assign(initiatives, index, stated=stated)
    assert [None if pd.isna(ags) else ags for ags in assigned["ags"]] == [
        *["07131001"] * 3,
        *[None] * 4,
    ]
    assert [None if pd.isna(check) else check for check in assigned["municipality_check"]] == [
        "match",
        "mismatch",
        "unstated",
        "mismatch",
        "unstated",
        None,
        None,
    ]


def test_assigning_changes_neither_argument_nor_other_columns(index: MunicipalityIndex) -> None:
    initiatives = initiatives_at([(7.005, 50.005), None])
    assigned = assign(initiatives, index, stated=[frozenset(), frozenset()])
    assert initiatives["ags"].isna().all()
    others = [name for name in INITIATIVE_COLUMNS if name not in ("ags", "municipality_check")]
    pd.testing.assert_frame_equal(pd.DataFrame(assigned[others]), pd.DataFrame(initiatives[others]))


def test_assigning_nothing_is_fine(index: MunicipalityIndex) -> None:
    assert len(assign(initiatives_at([]), index, stated=[])) == 0


def test_every_row_needs_a_set_of_stated_keys(index: MunicipalityIndex) -> None:
    with pytest.raises(QueryError, match="expected 2 sets"):
        assign(initiatives_at([None, None]), index, stated=[frozenset()])


# -------------------------------------------------------------------------------------- load


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nowhere\.gpkg: expected the boundary file"):
        load_municipalities(tmp_path / "nowhere.gpkg")


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gemeinden.gpkg"
    path.write_text("not a GeoPackage")
    with pytest.raises(FileFormatError, match="expected a GeoPackage"):
        load_municipalities(path)


def test_file_without_the_layer_is_refused(tmp_path: Path, world: Municipalities) -> None:
    path = tmp_path / "gemeinden.gpkg"
    world.to_file(path, layer="kreise", driver="GPKG")
    with pytest.raises(FileFormatError, match="expected a GeoPackage with the layer 'gemeinden'"):
        load_municipalities(path)


def test_file_without_a_column_is_refused(tmp_path: Path, world: Municipalities) -> None:
    path = tmp_path / "gemeinden.gpkg"
    world.drop(columns="postcode").to_file(path, layer=LAYER, driver="GPKG")
    with pytest.raises(FileFormatError, match=r"postcode"):
        load_municipalities(path)


def test_file_with_unsorted_rows_is_refused(tmp_path: Path, world: Municipalities) -> None:
    path = tmp_path / "gemeinden.gpkg"
    world.iloc[::-1].to_file(path, layer=LAYER, driver="GPKG")
    with pytest.raises(FileFormatError, match="sorted by ags"):
        load_municipalities(path)


def test_what_is_written_is_read(tmp_path: Path, world: Municipalities) -> None:
    path = tmp_path / "gemeinden.gpkg"
    world.to_file(path, layer=LAYER, driver="GPKG")
    read = load_municipalities(path)
    pd.testing.assert_frame_equal(
        pd.DataFrame(read.drop(columns="geometry")), pd.DataFrame(world.drop(columns="geometry"))
    )
    assert read.geometry.geom_equals_exact(world.geometry, 0.0).all()
