"""A corrected file updates and never doubles; probable duplicates are named, never merged."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_service.records.duplicates import find_duplicates
from geo_service.records.identity import assign_ids, resolve_ids
from geo_service.schema import (
    GEOCODE_COLUMNS,
    RECORD_COLUMNS,
    Initiatives,
    Records,
    as_columns,
    check_initiatives,
    check_records,
)

KNOWN = ["id", "name", "city", "municipality", "kreis", "street", "house_number"]


def table(*rows: dict[str, Any]) -> Records:
    """Make records as validation does: with the id each row states, else one made for it."""
    names = {name for row in rows for name in row} | {"name"}
    columns = {name: [row.get(name) for row in rows] for name in names}
    ids, clashes = assign_ids(columns, [row.get("id") for row in rows])
    assert not clashes
    columns |= {"id": ids, "source_line": [2 + n for n in range(len(rows))]}
    return check_records(as_columns(columns, RECORD_COLUMNS))


def known(records: Records, dataset: str = "liste") -> pd.DataFrame:
    """What the store says of `records`."""
    return pd.DataFrame(records[KNOWN]).assign(dataset=dataset)


def resolved(file: Records, stored: pd.DataFrame) -> list[str]:
    result = resolve_ids(file, stored, dataset="liste")
    assert result["name"].tolist() == file["name"].tolist()
    ids: list[str] = result["id"].tolist()
    return ids


CAFE = {"name": "Café Welcome", "municipality": "Mainz", "kreis": "Mainz (kreisfreie Stadt)"}
TREFF = {"name": "Treff am Markt", "municipality": "Trier", "kreis": "Trier (kreisfreie Stadt)"}

# -------------------------------------------------------------------------- one file


def test_ids_do_not_depend_on_spelling_order_or_other_rows() -> None:
    first = table(CAFE, TREFF)["id"].tolist()
    spelt = {**CAFE, "name": " CAFE  Welcome!", "street": "Römerstraße", "postcode": "55116"}
    assert table(TREFF, spelt)["id"].tolist() == first[::-1]
    assert len(set(first)) == 2
    assert all(len(key) == 16 and key.isalnum() and key.islower() for key in first)


def test_the_made_ids_are_those_of_every_version() -> None:
    """Changing the rule would double every stored record at its next import."""
    assert table(CAFE)["id"].tolist() == ["anouznhif3bkwpti"]


def test_ids_are_the_same_under_another_hash_seed() -> None:
    code = (
        "from geo_service.records.identity import assign_ids;"
        "print(assign_ids({'name': ['Café', 'Haus'], 'city': ['Mainz', 'Trier']}, [None] * 2)[0])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def clashes(*rows: dict[str, Any]) -> list[tuple[int, int, bool]]:
    names = {name for row in rows for name in row}
    columns = {name: [row.get(name) for row in rows] for name in names}
    found = assign_ids(columns, [row.get("id") for row in rows])[1]
    return [(clash.row, clash.first, clash.explicit) for clash in found]


def test_a_row_that_repeats_another_clashes_with_the_first() -> None:
    assert clashes(CAFE, TREFF, {**CAFE, "name": "Cafe welcome"}, CAFE) == [
        (2, 0, False),
        (3, 0, False),
    ]


def test_a_stated_id_may_not_repeat() -> None:
    made = table(CAFE)["id"].iloc[0]
    assert clashes({**CAFE, "id": "a"}, {**TREFF, "id": "a"}) == [(1, 0, True)]
    assert clashes(CAFE, {**TREFF, "id": made}) == [(1, 0, True)]
    assert clashes({**CAFE, "id": "a"}, {**CAFE, "id": "b"}) == []


def test_namesakes_of_one_place_are_told_apart_by_their_addresses() -> None:
    north, south = {**CAFE, "street": "Nordweg"}, {**CAFE, "street": "Südweg"}
    ids = table(north, south)["id"].tolist()
    assert len(set(ids)) == 2
    assert table(south, north)["id"].tolist() == ids[::-1]
    assert table(CAFE)["id"].iloc[0] not in ids
    district = {**CAFE, "city": "Mombach"}
    assert clashes(north, south, district) == []
    assert clashes(north, CAFE) == [(1, 0, False)], "one address tells nothing"
    assert clashes(CAFE, north, south) == [(1, 0, False), (2, 0, False)]
    assert clashes(north, south, {**south, "street": "SÜDWEG"}) == [(2, 1, False)]


# --------------------------------------------------------------------- corrected file


@pytest.mark.parametrize(
    "correction",
    [
        {},
        {"street": "Römerstraße", "house_number": "3"},
        {"name": "Cafe Welcome"},
        {"name": "Café Wellcome"},
        {"name": "Café Welcome e.V."},
        {"name": "Das Café Welcome in Mainz"},
        {"municipality": "Nieder-Olm", "kreis": CAFE["kreis"], "street": "Neuer Weg"},
        {"kreis": "Mainz"},
        {"kreis": None},
        {"city": "Mombach"},
        {"municipality": None, "city": "Mainz"},
    ],
    ids=str,
)
def test_a_corrected_row_keeps_its_id(correction: dict[str, Any]) -> None:
    stored = known(table(CAFE, TREFF))
    ids = resolved(table(TREFF, {**CAFE, **correction}), stored)
    assert ids == stored["id"].tolist()[::-1]


def test_a_municipality_that_is_added_keeps_the_id() -> None:
    stored = known(table({"name": "Café", "city": "Mombach"}))
    assert resolved(
        table({"name": "Café", "city": "Mombach", "municipality": "Mainz"}), stored
    ) == [stored["id"].iloc[0]]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Sprachtreff"},
        {"name": "Café Welcome 2"},
        {"name": "Café Wellcome", "municipality": "Worms"},
        {"name": "Café Wellcome", "street": "Südweg"},
        {"municipality": "Worms", "kreis": "Worms (kreisfreie Stadt)"},
        {"municipality": "Worms", "kreis": None},
    ],
    ids=str,
)
def test_what_is_another_place_gets_an_id_of_its_own(other: dict[str, Any]) -> None:
    stored = known(table({**CAFE, "street": "Nordweg"}))
    assert resolved(table({**CAFE, **other}), stored)[0] not in stored["id"].tolist()


def test_two_rows_never_take_one_record() -> None:
    stored = known(table(CAFE))
    both = table({**CAFE, "name": "Café Wellcome"}, {**CAFE, "name": "Café Welcomee"})
    assert not {*resolved(both, stored)} & {*stored["id"]}
    one_known = table({**CAFE, "municipality": "Bingen"}, {**CAFE, "municipality": "Ingelheim"})
    assert not {*resolved(one_known, stored)} & {*stored["id"]}


def test_one_row_never_takes_one_of_two_records_that_fit() -> None:
    stored = known(table({**CAFE, "name": "Café Wellcome"}, {**CAFE, "name": "Café Welcomee"}))
    assert resolved(table(CAFE), stored)[0] not in stored["id"].tolist()


def test_a_record_that_is_in_the_file_is_not_up_for_others() -> None:
    stored = known(table(CAFE))
    ids = resolved(table(CAFE, {**CAFE, "name": "Café Wellcome"}), stored)
    assert ids[0] == stored["id"].iloc[0] != ids[1]


def test_stated_ids_are_kept_whatever_the_store_knows() -> None:
    stored = known(table({**CAFE, "id": "x"}, TREFF))
    assert resolved(table({**TREFF, "id": "x"}, {**CAFE, "id": "y"}), stored) == ["x", "y"]
    assert resolved(table(CAFE), stored) == ["x"], "the id column went missing"


def test_namesakes_keep_their_ids_when_one_comes_or_goes() -> None:
    north, south = {**CAFE, "street": "Nordweg"}, {**CAFE, "street": "Südweg"}
    stored = known(table(north))
    first = stored["id"].iloc[0]
    ids = resolved(table(south, north), stored)
    assert ids[1] == first != ids[0]
    both = known(table({**south, "id": ids[0]}, {**north, "id": first}))
    assert resolved(table(south), both) == [ids[0]]
    assert resolved(table(north), both) == [first]
    assert resolved(table(north, south), both) == [first, ids[0]]


def test_an_id_of_another_list_is_never_taken_over() -> None:
    other = known(table(CAFE), dataset="andere")
    ids = resolved(table(CAFE), other)
    assert ids[0] not in other["id"].tolist()
    mine = known(check_records(table(CAFE).assign(id=pd.Series(ids, dtype="str"))))
    assert resolved(table(CAFE), pd.concat([other, mine])) == ids, "and stays so"


def test_without_a_list_all_records_count() -> None:
    stored = known(table(CAFE), dataset="andere")
    assert resolve_ids(table(CAFE), stored)["id"].tolist() == stored["id"].tolist()
    assert resolve_ids(table(CAFE), stored.drop(columns="dataset"))["id"].is_unique


def test_an_empty_store_changes_nothing() -> None:
    file = table(CAFE, TREFF)
    empty = known(file).iloc[:0]
    assert resolved(file, empty) == file["id"].tolist()


WORLD = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["Café", "Cafe A", "Treff 1", "Treff 2", "Treffpunkt Asyl",
                                  "Treffpunkt Asyll"])},
        optional={
            "municipality": st.sampled_from(["Mainz", "Trier"]),
            "city": st.sampled_from(["Mainz", "Mombach"]),
            "kreis": st.sampled_from(["K1", "K2"]),
            "street": st.sampled_from(["Nordweg", "Südweg"]),
            "id": st.sampled_from(["a", "b", "c"]),
        },
    ),
    max_size=7,
)  # fmt: skip


def distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out rows that clash, as validation does."""
    names = {name for row in rows for name in row} | {"name"}
    columns = {name: [row.get(name) for row in rows] for name in names}
    clashing = {c.row for c in assign_ids(columns, [row.get("id") for row in rows])[1]}
    return [row for n, row in enumerate(rows) if n not in clashing]


@given(first=WORLD, second=WORLD, foreign=WORLD)
@settings(max_examples=200, deadline=None)
def test_ids_stay_unique_and_a_second_import_changes_none(
    first: list[dict[str, Any]], second: list[dict[str, Any]], foreign: list[dict[str, Any]]
) -> None:
    others = [CAFE] if any("id" in row for row in foreign) else distinct(foreign)
    other = known(table(*others), dataset="andere")
    stored = known(table(*distinct(first)))
    stored = stored[~stored["id"].isin(other["id"])]
    everything = pd.concat([stored, other], ignore_index=True)
    file = table(*distinct(second))
    result = resolve_ids(file, everything, dataset="liste")
    assert result["id"].is_unique
    made = ~file["id"].isin(["a", "b", "c"])
    assert not result.loc[made, "id"].isin(other["id"]).any()
    kept = stored[~stored["id"].isin(result["id"])]
    after = pd.concat([known(result), kept, other], ignore_index=True)
    assert resolve_ids(file, after, dataset="liste")["id"].tolist() == result["id"].tolist()


# ------------------------------------------------------------------------ duplicates


def places(*rows: dict[str, Any]) -> Initiatives:
    """Make initiatives; `point` (lon, lat) and `precision` may be stated."""
    frame = table(*({k: v for k, v in row.items() if k in RECORD_COLUMNS} for row in rows))
    columns: dict[str, list[Any]] = {name: frame[name].tolist() for name in RECORD_COLUMNS}
    placed = [row.get("point") for row in rows]
    columns["coordinate_status"] = ["found" if p else "not_found" for p in placed]
    columns["coordinate_precision"] = [
        row.get("precision", "address") if row.get("point") else None for row in rows
    ]
    columns["ags"] = [row.get("ags") for row in rows]
    full = as_columns(columns, {**RECORD_COLUMNS, **GEOCODE_COLUMNS})
    points = [shapely.Point(p) if p else None for p in placed]
    return check_initiatives(gpd.GeoDataFrame(full, geometry=points, crs="EPSG:4326"))


def pairs(*rows: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = find_duplicates(places(*rows))
    return [(pair.name, pair.other_name, pair.reason) for pair in found]


AT = {"municipality": "Mainz", "street": "Römerweg", "house_number": "3"}


def test_much_the_same_name_at_one_address_is_reported() -> None:
    found = pairs(
        {"name": "Jugendmigrationsdienst Mainz", **AT},
        {"name": "Jugendmigrationsdienst im Quartier Mainz", **AT, "street": "RÖMERWEG"},
        {"name": "Fahrradwerkstatt", **AT},
    )
    assert found == [
        ("Jugendmigrationsdienst Mainz", "Jugendmigrationsdienst im Quartier Mainz", "same address")
    ]


def test_abbreviations_and_legal_forms_do_not_hide_a_duplicate() -> None:
    assert (
        pairs(
            {"name": "MGH Mainz", "municipality": "Mainz"},
            {"name": "Mehrgenerationenhaus der Stadt e.V.", "municipality": "Mainz"},
        )
        == []
    ), "a word more is a difference"
    short = {"name": "MGH Mainz", "municipality": "Mainz"}
    long = {"name": "Mehrgenerationenhaus e.V.", "municipality": "Mainz"}
    assert len(pairs(short, long)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Café Welcome Süd"},
        {"name": "Cafe Wellcome", "municipality": "Worms"},
        {"name": "Cafe Wellcome", "category": "Fahrradwerkstatt"},
        {"name": "Cafe Wellcome", "street": "Südweg", "house_number": "1"},
        {"name": "Café Welcome 2"},
    ],
    ids=str,
)
def test_what_speaks_against_it_is_respected(other: dict[str, Any]) -> None:
    first = {"name": "Café Welcome", **AT, "category": "Begegnungscafé"}
    assert pairs(first, {"municipality": "Mainz", "category": "Begegnungscafé", **other}) == []


def test_exact_points_close_together_count_and_rough_ones_do_not() -> None:
    first = {"name": "Treff am Dom", "municipality": "A", "point": (8.2500, 50.0)}
    near = {"name": "Treff beim Dom", "municipality": "B", "point": (8.2510, 50.0)}
    far = {"name": "Treff beim Dom", "municipality": "B", "point": (8.2520, 50.0)}
    found = find_duplicates(places(first, near))
    assert [pair.reason for pair in found] == ["points close together"]
    expected = shapely.distance(
        *gpd.GeoSeries([shapely.Point(8.25, 50), shapely.Point(8.251, 50)], crs=4326).to_crs(25832)
    )
    assert found[0].distance_m == pytest.approx(expected)
    assert 71 < expected < 72.5
    assert pairs(first, far) == []
    rough = {"precision": "municipality"}
    assert pairs({**first, **rough}, {**near, **rough}) == []
    same = {"name": "Treff am Dome", "municipality": "A", "point": (8.25, 50.0), **rough}
    assert find_duplicates(places({**first, **rough}, same))[0].distance_m is None


def test_points_across_a_grid_line_are_compared_too() -> None:
    random_lon = np.random.default_rng(3).uniform(7.0, 8.0, 60)
    rows = []
    for number, lon in enumerate(random_lon):
        word = "".join(random.Random(number).choices("abcdefghijklmnop", k=12))
        rows += [
            {"name": f"Haus {word}", "municipality": f"A{word}", "point": (lon, 50.0)},
            {"name": f"Haus {word}s", "municipality": f"B{word}", "point": (lon + 0.0012, 50.0003)},
        ]
    found = find_duplicates(places(*rows))
    assert len(found) == 60
    assert {pair.reason for pair in found} == {"points close together"}


def test_no_record_is_listed_more_than_five_times() -> None:
    found = find_duplicates(
        places(
            *({"name": f"Café Welcome {chr(97 + n)}", "municipality": "Mainz"} for n in range(26))
        )
    )
    count = pd.Series([key for pair in found for key in (pair.id, pair.other_id)]).value_counts()
    assert 0 < count.max() <= 5


def test_an_empty_table_and_a_single_record_have_no_duplicates() -> None:
    assert find_duplicates(places({"name": "a"}).iloc[:0].pipe(check_initiatives)) == ()
    assert find_duplicates(places({"name": "a"})) == ()


def test_scores_fall_and_lie_between_zero_and_one() -> None:
    found = find_duplicates(
        places(
            {"name": "Treffpunkt Asyl", **AT},
            {"name": "Treffpunkt Asyll", **AT},
            {"name": "Treff Asyl", **AT},
        )
    )
    scores = [pair.score for pair in found]
    assert len(found) == 3
    assert scores == sorted(scores, reverse=True)
    assert all(0.7 <= score <= 1 for score in scores)


# ----------------------------------------------------------------------------- large


def large(count: int) -> Records:
    """Records of a few large towns and many small ones, each with a name of its own."""
    pick = random.Random(5)
    words = ["".join(pick.choices("abcdefghijklmnoprstuwz", k=7)) for _ in range(4000)]
    kinds = ["Café", "Treff", "Haus", "Kleiderkammer", "Arbeitskreis Asyl", "Beratung"]
    towns = [f"Ort {n}" for n in range(900) for _ in range(1 + 900 // (n + 1))]
    names = [
        f"{pick.choice(kinds)} {pick.choice(words)} {pick.choice(words)}" for _ in range(count)
    ]
    columns: dict[str, list[Any]] = {
        "name": names,
        "municipality": [pick.choice(towns) for _ in range(count)],
        "kreis": [f"Kreis {n % 36}" for n in range(count)],
    }
    columns["id"], _ = assign_ids(columns, [None] * count)
    columns["source_line"] = [*range(2, count + 2)]
    frame = as_columns(columns, RECORD_COLUMNS)
    return check_records(frame.drop_duplicates("id", ignore_index=True))


def test_large_files_are_resolved_and_compared_in_bounded_time() -> None:
    file = large(20_000)
    start = time.process_time()
    misspelt = known(file).assign(name="x" + file["name"], id=[f"k{n}" for n in range(len(file))])
    ids = resolve_ids(file, misspelt, dataset="liste")["id"]
    assert (ids.to_numpy() == misspelt["id"].to_numpy()).mean() > 0.99
    full = as_columns(
        {**{name: file[name].tolist() for name in RECORD_COLUMNS},
         "coordinate_status": ["not_found"] * len(file)},
        {**RECORD_COLUMNS, **GEOCODE_COLUMNS},
    )  # fmt: skip
    blank = gpd.GeoDataFrame(full, geometry=[None] * len(full), crs="EPSG:4326")
    find_duplicates(check_initiatives(blank))
    assert time.process_time() - start < 15
