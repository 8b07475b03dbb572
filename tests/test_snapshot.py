"""Snapshots of one revision, and the holder that keeps them current across processes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gc
import json
import multiprocessing
import threading
import time
import weakref
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from store_world import NOW, apply, import_forever, import_when_told, make_initiatives

from geo_service import config
from geo_service.coverage import CoverageParameters, compute_coverage
from geo_service.coverage.terrain import Recent
from geo_service.errors import FileFormatError, StoreError
from geo_service.gazetteer import PLACE_COLUMNS
from geo_service.schema import LEVELS, MUNICIPALITY_COLUMNS, Population, check_municipalities
from geo_service.snapshot import Snapshot, SnapshotHolder, Territory, load_territory
from geo_service.snapshot.derived import MOST_VALUES, Derived, estimate_size
from geo_service.store import Store, StoredState
from geo_service.web.answers import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postgis import Cluster

TODAY = dt.date(2026, 11, 23)
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["geo_service.cli"])


@pytest.fixture(scope="module")
def small_land() -> Territory:
    """Three municipalities in a row, each 0.1 degrees wide; Mitte and Ost share a Kreis."""
    keys = ["07101001", "07102001", "07102002"]
    west = np.array([7.0, 7.1, 7.2])
    frame = pd.DataFrame(
        {
            "ags": keys,
            "ars": ["071010001001", "071020001001", "071020001002"],
            "name": ["West", "Mitte", "Ost"],
            "designation": ["Ortsgemeinde"] * 3,
            "verbandsgemeinde": ["VG West", "VG Ost", "VG Ost"],
            "verbandsgemeinde_key": ["071010001", "071020001", "071020001"],
            "kreis": ["Westkreis", "Ostkreis", "Ostkreis"],
            "kreis_key": ["07101", "07102", "07102"],
            "land_key": ["07"] * 3,
            "population": [1000, 2000, 3000],
            "area_km2": [79.0, 79.0, 79.0],
            "postcode": ["55001", "55002", "55003"],
            "seat_lon": west + 0.05,
            "seat_lat": [50.05] * 3,
            "seat_source": ["official"] * 3,
        }
    ).astype(dict(MUNICIPALITY_COLUMNS))
    boxes = shapely.multipolygons(shapely.box(west, 50.0, west + 0.1, 50.1)[:, None])
    municipalities = check_municipalities(gpd.GeoDataFrame(frame, geometry=boxes, crs="EPSG:4326"))
    places = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in PLACE_COLUMNS.items()})
    return Territory(municipalities, places, {"source_note": "© Probe"})


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of either kind, set up and empty."""
    if request.param == "postgis":
        address = str(request.getfixturevalue("postgis_url"))
    else:
        address = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with Store(address) as store:
        store.migrate(now=NOW)
    return address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened


class Clock:
    """Seconds and the time of day that move only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.seconds - 100)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holder(store: Store, small_land: Territory, clock: Clock) -> SnapshotHolder:
    return SnapshotHolder(store, small_land, clock=clock, now=clock.now)


def make_snapshot(small_land: Territory, count: int = 4) -> Snapshot:
    return Snapshot.of(StoredState(7, NOW, make_initiatives(count), None), small_land)


def marks(snapshot: Snapshot) -> set[str]:
    """Return the revisions that the rows of a snapshot say they are of."""
    return {name.split()[-1] for name in snapshot.initiatives["name"]}


# --------------------------------------------------------------------------- territory


def test_shipped_territory_loads_with_all_levels(territory: Territory) -> None:
    assert {level: len(territory.areas[level]) for level in LEVELS} == {
        "gemeinde": 2300,
        "verbandsgemeinde": 170,
        "kreis": 36,
        "land": 1,
    }
    assert territory.seats.people.sum() == territory.municipalities["population"].sum()
    assert "© GeoBasis-DE / BKG 2016 (Daten verändert)" in territory.source_notes


def test_territory_without_its_metadata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"gemeinden\.json: expected JSON"):
        load_territory(tmp_path)


def test_areas_are_built_once_and_only_for_levels(small_land: Territory) -> None:
    assert small_land.areas["kreis"] is small_land.areas["kreis"]
    assert small_land.areas["kreis"]["population"].tolist() == [1000, 5000]
    assert tuple(small_land.areas) == LEVELS
    assert "bezirk" not in small_land.areas


def test_source_notes_of_all_parts_appear_once() -> None:
    about = {"source_note": "a", "figures": {"source_note": "b"}, "places": {"source_note": "a"}}
    empty = gpd.GeoDataFrame()
    assert Territory(empty, pd.DataFrame(), about).source_notes == ("a", "b")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- snapshot


def test_people_count_at_seats_until_a_grid_is_loaded(small_land: Territory) -> None:
    assert make_snapshot(small_land).population.basis == "seat_points"
    one = np.array([1.0])
    grid = Population("grid_1km", "Zensus", np.array(["07101001"], dtype=object), one, one, one)
    state = StoredState(8, NOW, make_initiatives(1), grid)
    read = Snapshot.of(state, small_land)
    assert read.population.basis == "grid_1km"
    bare = small_land.seats.people[small_land.seats.ags != "07101001"]
    assert read.population.people.tolist() == [1.0, *bare], "a grid of an earlier version"
    assert read.seats_in_grid
    again = dataclasses.replace(state, population=read.population)
    assert Snapshot.of(again, small_land).population is read.population
    assert not make_snapshot(small_land).seats_in_grid


def test_snapshot_cannot_be_given_other_contents(small_land: Territory) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_snapshot(small_land).revision = 8  # type: ignore[misc]


def test_coverage_is_that_of_the_room_and_measured_once(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    parameters = CoverageParameters(radius_m=2_000)
    table = snapshot.coverage("kreis", parameters, today=TODAY)
    expected = compute_coverage(
        snapshot.initiatives,
        small_land.municipalities,
        small_land.seats,
        level="kreis",
        parameters=parameters,
        today=TODAY,
    )
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(expected))
    assert snapshot.coverage("kreis", CoverageParameters(radius_m=2_000), today=TODAY) is table
    assert snapshot.coverage("kreis", today=TODAY) is not table


def test_a_scenario_is_measured_anew_and_leaves_the_snapshots_own_figures(
    small_land: Territory,
) -> None:
    snapshot = make_snapshot(small_land)
    own = snapshot.levels(today=TODAY)
    fewer = make_initiatives(1)
    scenario = snapshot.levels(today=TODAY, initiatives=fewer)
    expected = make_snapshot(small_land, 1).levels(today=TODAY)
    for level in LEVELS:
        pd.testing.assert_frame_equal(scenario[level], expected[level])
        alone = snapshot.coverage(level, today=TODAY, initiatives=fewer)
        pd.testing.assert_frame_equal(alone, scenario[level])
    assert snapshot.levels(today=TODAY) is own
    assert snapshot.terrain() is snapshot.terrain()
    assert snapshot.terrain().ground is make_snapshot(small_land).terrain().ground


def test_source_notes_name_boundaries_population_and_points(small_land: Territory) -> None:
    sources = {"coordinate_source": ["Gazetteer"] * 4, "coordinate_licence": ["CC BY 4.0"] * 4}
    state = StoredState(1, NOW, make_initiatives(4, **sources), None)
    notes = Snapshot.of(state, small_land).source_notes
    assert notes == ("© Probe", small_land.seats.source_note, "Gazetteer (CC BY 4.0)")


# ---------------------------------------------------------------------- derived values


def test_value_is_made_once_per_key(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    made: list[str] = []

    def make(name: str) -> Callable[[], bytes]:
        return lambda: (made.append(name), name.encode())[1]

    assert snapshot.derive(("a", 1), make("first")) == b"first"
    assert snapshot.derive(("a", 1), make("again")) == b"first"
    assert snapshot.derive(("a", 2), make("second")) == b"second"
    assert made == ["first", "second"]


def test_none_is_a_value_too(small_land: Territory) -> None:
    snapshot, made = make_snapshot(small_land), []
    for _ in range(2):
        assert snapshot.derive("k", lambda: made.append(1)) is None
    assert made == [1]


def test_snapshots_do_not_share_derived_values(small_land: Territory) -> None:
    make_snapshot(small_land).derive("k", lambda: 1)
    assert make_snapshot(small_land).derive("k", lambda: 2) == 2


def test_value_may_be_made_from_another_one(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    twice = snapshot.derive("twice", lambda: 2 * snapshot.derive("once", lambda: 21))
    assert twice == 42


def test_failure_is_raised_and_not_kept(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    with pytest.raises(ZeroDivisionError):
        snapshot.derive("k", lambda: 1 // 0)
    assert snapshot.derive("k", lambda: "fine") == "fine"


def test_threads_that_ask_at_once_get_one_value(small_land: Territory) -> None:
    snapshot, made, got = make_snapshot(small_land), [], []
    started = threading.Barrier(8)

    def make() -> object:
        made.append(1)
        return object()

    def ask() -> None:
        started.wait(10)
        got.append(snapshot.derive("k", make))

    run_together([ask] * 8)
    assert (len(made), len(got), len(set(map(id, got)))) == (1, 8, 1)


def test_slow_value_holds_up_only_those_who_ask_for_it(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(10)
        return "slow"

    thread = threading.Thread(target=snapshot.derive, args=("slow", slow))
    thread.start()
    assert begun.wait(10)
    assert snapshot.derive("quick", lambda: "quick") == "quick"
    go_on.set()
    thread.join(10)


def run_together(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


def test_least_recently_used_value_goes_first() -> None:
    derived = Derived(max_values=2)
    for key in ("a", "b", "a", "c"):
        derived.get(key, lambda: "first")
    assert len(derived) == 2
    assert derived.get("a", lambda: "again") == "first"
    assert derived.get("b", lambda: "again") == "again"


def test_cache_is_bounded_in_bytes() -> None:
    derived = Derived(max_bytes=1_000)
    for key in range(10):
        derived.get(key, lambda: b"x" * 400)
    assert len(derived) == 2
    assert derived.get("big", lambda: b"x" * 2_000) == b"x" * 2_000
    assert len(derived) == 0
    assert derived.get(1, lambda: b"anew") == b"anew"


@dataclasses.dataclass(frozen=True)
class Page:
    """A value that grows after it was made, as a body does by its compressed forms."""

    content: bytes

    @cached_property
    def packed(self) -> bytes:
        return self.content * 3


def test_cache_stays_bounded_when_what_it_keeps_grows() -> None:
    derived = Derived(max_bytes=3_000)
    for key in range(10):
        derived.get(key, lambda: Page(b"x" * 200))
    assert len(derived) == 10
    for key in range(10):
        assert len(derived.get(key, lambda: Page(b"x" * 200)).packed) == 600
        derived.get(("other", key), lambda: b"")
    kept = [
        page
        for key in range(10)
        if (page := derived.get(key, lambda: Page(b""))).content and "packed" in vars(page)
    ]
    assert 2 <= len(kept) <= 3


def test_answers_compressed_forms_and_what_a_terrain_remembers_are_counted(
    small_land: Territory,
) -> None:
    body = Body(b"0123456789abcdef" * 1_000, "text/plain")
    plain = estimate_size(body)
    packed = len(body.brotli) + len(body.gzip)
    assert estimate_size(body) >= plain + packed
    terrain = make_snapshot(small_land).terrain()
    empty = estimate_size(terrain)
    terrain.recent.get("one", lambda: np.zeros(10_000))
    assert estimate_size(terrain) == empty + 80_000


def test_terrains_of_many_demands_stay_within_the_bound_of_a_snapshot() -> None:
    derived = Derived(max_bytes=1_000_000)
    for demand in range(5):
        for key in range(10):
            remembered = derived.get(("terrain", demand), lambda: Recent(400_000))
            remembered.get(key, lambda: np.zeros(10_000))
            derived.get((demand, key), lambda: b"x")
    assert len(derived) < 55
    held = sum(derived.get(("terrain", demand), lambda: Recent(0)).nbytes for demand in range(5))
    assert 400_000 <= held <= 1_000_000


def test_answers_never_drive_out_what_they_are_written_from(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    assert snapshot.derive("figures", lambda: "first") == "first"
    for number in range(2 * MOST_VALUES):
        snapshot.keep_answer(number, lambda: b"a page")
    for number in range(100):
        snapshot.keep_answer(("large", number), lambda: b"x" * 2_000_000)
    assert snapshot.derive("figures", lambda: "again") == "first"


def test_answers_are_kept_once_made(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    assert snapshot.keep_answer("page", lambda: "first") == "first"
    assert snapshot.keep_answer("page", lambda: "again") == "first"
    assert snapshot.derive("page", lambda: "another kind") == "another kind"


def test_all_that_a_snapshot_keeps_has_one_bound(small_land: Territory) -> None:
    snapshot = make_snapshot(small_land)
    for number in range(100):
        snapshot.derive(number, lambda: b"x" * 4_000_000)
        snapshot.keep_answer(number, lambda: b"x" * 4_000_000)
    kept = len(snapshot._derived) + len(snapshot._answers)
    assert 200_000_000 < 4_000_000 * kept <= 256_000_000


class Watched:
    """A key that tells when it is looked up."""

    def __init__(self) -> None:
        self.looked_up = threading.Event()

    def __hash__(self) -> int:
        self.looked_up.set()
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Watched)


def test_value_made_twice_after_a_failure_is_counted_once() -> None:
    """While one fails another waits, and makes it while a third makes it as well."""
    derived = Derived(max_bytes=1_000)
    key, waiting = Watched(), Watched()

    def make_as_a_third_does() -> bytes:
        run_together([lambda: derived.get(key, lambda: b"third" * 80)])
        return b"second" * 60

    second = threading.Thread(target=derived.get, args=(waiting, make_as_a_third_does))

    def fail() -> bytes:
        second.start()
        assert waiting.looked_up.wait(10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        derived.get(key, fail)
    second.join(10)
    derived.get("other", lambda: b"x" * 500)
    assert len(derived) == 2
    assert derived.get(key, lambda: b"again") == b"second" * 60


@dataclasses.dataclass
class Held:
    content: bytes
    kind: str


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (b"x" * 5_000, 5_000, 5_100),
        (np.zeros(1_000), 8_000, 8_100),
        (Held(b"x" * 5_000, "json"), 5_000, 5_300),
        (Body(b"x" * 5_000, "json"), 5_000, 5_500),
        ([b"x" * 100] * 10_000, 1_000_000, 1_100_000),
        ({"a": b"x" * 5_000}, 5_000, 5_200),
        (pd.DataFrame({"a": np.zeros(1_000)}), 8_000, 8_400),
        (object(), 1, 100),
        ((), 1, 100),
    ],
    ids=lambda value: type(value).__name__,
)
def test_size_of_a_value_is_estimated(value: Any, least: int, most: int) -> None:
    assert least <= estimate_size(value) <= most


# ------------------------------------------------------------------------------ holder


def test_holder_keeps_the_two_dated_states_opened_last(
    holder: SnapshotHolder, small_land: Territory
) -> None:
    state = make_snapshot(small_land).as_state(
        "Alt", "a", CoverageParameters(), today=TODAY, taken_at=NOW
    )
    current = holder.current()

    def opened(slug: str) -> weakref.ref[Snapshot]:
        return weakref.ref(holder.snapshot_of(current, dataclasses.replace(state, slug=slug)))

    first = {slug: opened(slug) for slug in "abc"}
    gc.collect()
    assert [ref() is not None for ref in first.values()] == [False, True, True]
    assert opened("b")() is first["b"]()
    opened("d")
    gc.collect()
    assert [ref() is not None for ref in first.values()] == [False, True, False]


def test_terrain_of_a_dated_state_remembers_less(small_land: Territory) -> None:
    present = make_snapshot(small_land)
    state = present.as_state("Alt", "alt", CoverageParameters(), today=TODAY, taken_at=NOW)
    least = Snapshot.of_state(state, small_land).terrain().recent.most_bytes
    assert 0 < least < present.terrain().recent.most_bytes / 2


def test_holder_serves_one_object_per_revision(holder: SnapshotHolder, store: Store) -> None:
    apply(store, make_initiatives(3, marker=1))
    assert holder.current() is holder.current()
    assert (holder.current().revision, marks(holder.current())) == (1, {"1"})


def test_holder_asks_at_most_once_a_second(
    holder: SnapshotHolder, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[float] = []
    latest = store.latest
    monkeypatch.setattr(store, "latest", lambda: (questions.append(clock()), latest())[1])
    holder.current()
    for _ in range(30):
        clock.seconds += 0.25
        holder.current()
    assert questions == [101, 102, 103, 104, 105, 106, 107]


def test_claims_of_a_later_revision_are_looked_into_twenty_times_a_second_at_most(
    store: Store, small_land: Territory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(seconds: float) -> None:
        clock.seconds += seconds

    holder = SnapshotHolder(store, small_land, clock=clock, now=clock.now, sleep=sleep)
    questions: list[float] = []
    latest = store.latest
    monkeypatch.setattr(store, "latest", lambda: (questions.append(clock()), latest())[1])
    holder.current()
    for _ in range(4):
        holder.current(at_least=999_999)
    assert questions == pytest.approx([100.05, 100.1, 100.15, 100.2])


class CountedLock:
    """A lock that tells how often it was asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked = threading.Semaphore(0)

    def acquire(self, blocking: bool = True) -> bool:
        self.asked.release()
        return self.lock.acquire(blocking)

    def release(self) -> None:
        self.lock.release()


def test_one_question_answers_all_who_waited_for_it(
    holder: SnapshotHolder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.current()
    lock, gate, began = CountedLock(), threading.Event(), threading.Event()
    questions: list[int] = []
    latest = store.latest

    def slow() -> tuple[int, dt.datetime]:
        questions.append(1)
        began.set()
        assert gate.wait(30)
        return latest()

    monkeypatch.setattr(store, "latest", slow)
    monkeypatch.setattr(holder, "_asking", lock)
    monkeypatch.setattr(holder, "_sleep", lambda seconds: None)
    threads = [
        threading.Thread(target=holder.current, kwargs={"at_least": 999_999}) for _ in range(9)
    ]
    threads[0].start()
    assert began.wait(30)
    for thread in threads[1:]:
        thread.start()
    for _ in threads:
        assert lock.asked.acquire(timeout=30)
    gate.set()
    for thread in threads:
        thread.join(30)
    assert len(questions) == 2  # one was under way, and what it read may be too old for the rest


def test_holder_swaps_when_the_revision_moved(
    holder: SnapshotHolder, store: Store, clock: Clock
) -> None:
    old = holder.current()
    apply(store, make_initiatives(3, marker=1))
    assert holder.current() is old
    clock.seconds += 1
    assert marks(holder.current()) == {"1"}
    assert (old.revision, len(old.initiatives)) == (0, 0)


def test_holder_keeps_its_snapshot_while_nothing_changes(
    holder: SnapshotHolder, clock: Clock
) -> None:
    old = holder.current()
    clock.seconds += 5
    assert holder.current() is old


def test_holder_sees_a_database_that_was_set_up_anew(
    holder: SnapshotHolder, store: Store, clock: Clock
) -> None:
    """The number alone would not tell: both are at revision 1."""
    apply(store, make_initiatives(3, marker="alt"))
    assert marks(holder.current()) == {"alt"}
    store.reset(now=NOW)
    store.migrate(now=NOW)
    apply(store, make_initiatives(3, marker="neu"), now=NOW + dt.timedelta(days=1))
    clock.seconds += 1
    assert marks(holder.current()) == {"neu"}


def test_one_thread_builds_while_the_others_keep_the_old_snapshot(
    holder: SnapshotHolder, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = holder.current()
    apply(store, make_initiatives(3, marker=1))
    clock.seconds += 1
    begun, go_on, built = threading.Event(), threading.Event(), []
    read = store.read

    def slow_read() -> StoredState:
        begun.set()
        assert go_on.wait(10)
        return read()

    monkeypatch.setattr(store, "read", slow_read)
    thread = threading.Thread(target=lambda: built.append(holder.current()))
    thread.start()
    assert begun.wait(10)
    assert [holder.current() for _ in range(3)] == [old, old, old]
    go_on.set()
    thread.join(10)
    assert holder.current() is built[0] is not old


def test_first_snapshot_is_built_once_for_all_threads(
    holder: SnapshotHolder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, got = [], []
    read = store.read
    monkeypatch.setattr(store, "read", lambda: (reads.append(1), read())[1])
    run_together([lambda: got.append(holder.current())] * 8)
    assert (len(reads), len(got), len(set(map(id, got)))) == (1, 8, 1)


def test_holder_without_a_store_raises_and_recovers(
    tmp_path: Path, small_land: Territory, clock: Clock
) -> None:
    with Store(f"sqlite:///{tmp_path / 'late.sqlite'}") as store:
        holder = SnapshotHolder(store, small_land, clock=clock, now=clock.now)
        for _ in range(2):
            with pytest.raises(StoreError, match=r"no revision could be read so far: .*late"):
                holder.current()
        assert holder.status().revision is None
        assert not holder.store_reachable
        store.migrate()
        clock.seconds += 60
        assert holder.current().revision == 0
        assert holder.store_reachable


def test_last_good_snapshot_is_served_while_sqlite_is_gone(
    tmp_path: Path, small_land: Territory, clock: Clock
) -> None:
    path = tmp_path / "store.sqlite"
    with Store(f"sqlite:///{path}") as store:
        store.migrate()
        check_outage(
            store,
            SnapshotHolder(store, small_land, clock=clock, now=clock.now),
            clock,
            cut=lambda: path.rename(tmp_path / "away"),
            mend=lambda: (tmp_path / "away").rename(path),
        )


@pytest.mark.postgis
def test_last_good_snapshot_is_served_while_postgres_is_gone(
    postgis_url: str, postgis_cluster: Cluster, small_land: Territory, clock: Clock
) -> None:
    name = postgis_url.rpartition("/")[2]

    def allow(yes: bool) -> None:
        postgis_cluster.execute("postgres", f"ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}")

    def cut() -> None:
        allow(False)
        postgis_cluster.disconnect(name)

    with Store(postgis_url) as store:
        store.migrate()
        holder = SnapshotHolder(store, small_land, clock=clock, now=clock.now)
        try:
            check_outage(store, holder, clock, cut=cut, mend=lambda: allow(True))
        finally:
            allow(True)


def check_outage(
    store: Store,
    holder: SnapshotHolder,
    clock: Clock,
    *,
    cut: Callable[[], object],
    mend: Callable[[], object],
) -> None:
    apply(store, make_initiatives(3, marker=1))
    good = holder.current()
    cut()
    clock.seconds = 110.0
    assert holder.current() is good
    clock.seconds = 170.0
    assert holder.current() is good
    status = holder.status()
    assert (status.revision, status.unreachable_since) == (1, NOW + dt.timedelta(seconds=10))
    assert status.error
    assert not holder.store_reachable
    mend()
    apply(store, make_initiatives(3, marker=2))
    clock.seconds = 300.0
    assert marks(holder.current()) == {"2"}
    assert holder.status().unreachable_since is None


def test_store_that_hangs_is_asked_ever_more_rarely(
    holder: SnapshotHolder, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.current()
    asked: list[float] = []

    def hang() -> tuple[int, dt.datetime]:
        asked.append(clock.seconds)
        clock.seconds += 5
        raise StoreError("timeout")

    monkeypatch.setattr(store, "latest", hang)
    for _ in range(150):
        clock.seconds += 1
        holder.current()
    assert 3 <= len(asked) <= 4
    assert asked[1] - asked[0] >= 50


def test_store_of_a_newer_version_leaves_the_old_snapshot(
    holder: SnapshotHolder, store: Store, clock: Clock
) -> None:
    good = holder.current()
    apply(store, make_initiatives(2, marker=1))
    with store._begin("write", "upgrade") as connection:
        newer = "INSERT INTO geo_service_schema VALUES (99, '2026-11-23T00:00:00Z')"
        connection.exec_driver_sql(newer)
    clock.seconds += 1
    assert holder.current() is good
    assert "newer geo-service" in str(holder.status().error)


# --------------------------------------------------------------------------- processes


def test_import_of_another_process_is_seen_by_two_holders_within_two_seconds(
    url: str, small_land: Territory
) -> None:
    ours, theirs = processes.Pipe()
    importer = processes.Process(target=import_when_told, args=(url, 40, theirs), daemon=True)
    importer.start()
    theirs.close()
    with Store(url) as one, Store(url) as two:
        holders = [SnapshotHolder(store, small_land) for store in (one, two)]
        assert hear(ours) == "ready"
        for revision in (1, 2):
            before = [holder.current().revision for holder in holders]
            ours.send("go")
            assert hear(ours) == ("ok", revision)
            committed_at = time.monotonic()
            seen = [seen_after(holder, revision, committed_at) for holder in holders]
            assert before == [revision - 1] * 2
            assert max(seen) < 2
    ours.send("enough")
    importer.join(30)
    importer.close()
    ours.close()


def seen_after(holder: SnapshotHolder, revision: int, committed_at: float) -> float:
    """Ask until the holder serves `revision`; return the seconds that took."""
    while True:
        snapshot = holder.current()
        elapsed_s = time.monotonic() - committed_at
        assert marks(snapshot) <= {str(snapshot.revision)}
        if snapshot.revision == revision or elapsed_s > 10:
            return elapsed_s


def hear(talk: Any) -> Any:
    assert talk.poll(60), "the other process said nothing for a minute"
    return talk.recv()


def test_no_thread_ever_sees_a_mixture_while_another_process_imports(
    url: str, small_land: Territory
) -> None:
    ours, theirs = processes.Pipe()
    importer = processes.Process(target=import_forever, args=(url, 40, theirs), daemon=True)
    faults: list[str] = []
    revisions: set[int] = set()
    with Store(url) as store:
        holder = SnapshotHolder(store, small_land, min_interval_s=0.02)
        deadline = time.monotonic() + 30

        def watch() -> None:
            last = 0
            while len(revisions) < 6 and not faults and time.monotonic() < deadline:
                snapshot = holder.current()
                table = snapshot.derive("names", partial(marks, snapshot))
                if snapshot.revision and table != {str(snapshot.revision)}:
                    faults.append(f"revision {snapshot.revision} has rows of {table}")
                if snapshot.revision < last:
                    faults.append(f"revision {last} went back to {snapshot.revision}")
                last = snapshot.revision
                revisions.add(last)

        importer.start()
        theirs.close()
        try:
            run_together([watch] * 4)
        finally:
            importer.kill()
            importer.join(30)
            importer.close()
            ours.close()
    assert faults == []
    assert len(revisions) >= 6


def test_metadata_of_the_shipped_data_is_read_as_it_is(territory: Territory) -> None:
    folder = config.data_dir() / "gemeinden"
    about = json.loads((folder / "gemeinden.json").read_text("utf-8"))
    assert territory.about == about
    assert territory.origin.date.isoformat() == about["territorial_date"]
