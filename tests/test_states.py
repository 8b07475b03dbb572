"""Dated states: a figure of an old one comes out again to the last digit, or it says why not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pandas.testing import assert_frame_equal
from store_world import NOW

from geo_service import __version__, pipeline
from geo_service.cli import main
from geo_service.coverage import METHOD, CoverageParameters
from geo_service.errors import NotFoundError, QueryError
from geo_service.pipeline import Workshop
from geo_service.schema import LEVELS, Demand
from geo_service.snapshot import Snapshot, Territory, parameters_of
from geo_service.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geo_service.store import DatedState

TODAY = dt.date(2026, 11, 23)
ROOT = Path(__file__).resolve().parents[1]
PARAMETERS = CoverageParameters(
    radius_m=4_321.1, categories=("Begegnungsort", "Mehrgenerationenhaus"), gap_share=1 / 3
)


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
def hall(
    request: pytest.FixtureRequest, sqlite_url: str, territory: Territory, example_file: Path
) -> Iterator[Workshop]:
    """The example records in a database of either kind."""
    kind = request.param
    url = sqlite_url if kind == "sqlite" else str(request.getfixturevalue("postgis_url"))
    with Store(url) as store:
        store.migrate()
        made = Workshop(store, territory)
        pipeline.import_file(example_file, made, today=TODAY)
        yield made


def take(workshop: Workshop, **options: Any) -> DatedState:
    arguments = {"name": "Bericht 2026-I", "parameters": PARAMETERS, "today": TODAY, **options}
    return pipeline.take_state(workshop, **arguments)


def import_something_else(workshop: Workshop, folder: Path) -> None:
    file = folder / "andere.csv"
    file.write_text("name,category,city\nTreff,Begegnungsort,Mainz\n", "utf-8")
    pipeline.import_file(file, workshop, today=TODAY)


def assert_comes_out_again(state: DatedState, territory: Territory) -> None:
    """Measure from what the state itself holds, by hand, and compare every bit."""
    again = Snapshot.of_state(state, territory).levels(parameters_of(state), today=state.today)
    for level in LEVELS:
        assert_frame_equal(again[level], state.results[level], check_exact=True)
        numbers = state.results[level].select_dtypes("float64").to_numpy()
        assert again[level].select_dtypes("float64").to_numpy().tobytes() == numbers.tobytes()
    assert pipeline.check_state(state, territory) is None


def test_figures_come_out_again_to_the_last_digit_after_later_imports(
    hall: Workshop, tmp_path: Path
) -> None:
    taken = take(hall)
    import_something_else(hall, tmp_path)
    hall.store.save_population(make_cells(hall.territory), now=NOW)
    kept = hall.store.read_state("Bericht 2026-I")
    assert parameters_of(kept) == PARAMETERS
    assert (kept.revision, kept.today, kept.erased) == (1, TODAY, 0)
    for level in LEVELS:
        assert_frame_equal(kept.results[level], taken.results[level], check_exact=True)
    assert_comes_out_again(kept, hall.territory)
    now = Snapshot.of(hall.store.read(), hall.territory)
    changed = now.coverage("land", PARAMETERS, today=TODAY)
    assert changed["places"].item() == kept.results["land"]["places"].item() + 1


def make_cells(territory: Territory) -> Any:
    seats = territory.seats
    return dataclasses.replace(seats, basis="grid_1km", x_m=seats.x_m + 100 / 3)


def test_state_of_a_demand_keeps_its_people(hall: Workshop) -> None:
    keys = sorted(hall.territory.municipalities["kreis_key"].unique())
    figures = {key: None if at % 5 == 0 else at * 100 / 7 for at, key in enumerate(keys)}
    hall.store.save_demand(Demand("probe", "Probe", "kreis", figures, "© Amt"), now=NOW)
    take(hall, demand_slug="probe")
    hall.store.remove_demand("probe", now=NOW)
    kept = hall.store.read_state("bericht-2026-i")
    assert (kept.population.basis, kept.population.name) == ("figures", "Probe")
    assert_comes_out_again(kept, hall.territory)


def test_other_boundaries_are_told_and_stored_figures_stand(hall: Workshop) -> None:
    kept = take(hall)
    assert kept.boundaries["territorial_date"] == "2025-08-31"
    other = dataclasses.replace(hall.territory, boundaries={"sha256": "0" * 64})
    assert "boundaries have changed" in str(pipeline.check_state(kept, other))


def test_changed_figure_is_found(hall: Workshop) -> None:
    kept = take(hall)
    table = kept.results["kreis"].copy()
    table.loc[3, "share_reached"] += 1e-16 + table.loc[3, "share_reached"] * 1e-15
    spoilt = dataclasses.replace(kept, results={**kept.results, "kreis": table})
    assert str(pipeline.check_state(spoilt, hall.territory)).endswith("kreis.share_reached")


def test_other_words_for_the_same_figures_are_no_difference(hall: Workshop) -> None:
    kept = take(hall)
    table = kept.results["kreis"].assign(gap_reason="wie man es früher sagte")
    reworded = dataclasses.replace(kept, results={**kept.results, "kreis": table})
    assert pipeline.check_state(reworded, hall.territory) is None


def test_state_tells_program_and_method_and_that_the_method_changed(
    hall: Workshop,
) -> None:
    taken = take(hall)
    kept = hall.store.read_state(taken.slug)
    (listed,) = hall.store.states()
    assert (kept.program, kept.method) == (listed.program, listed.method) == (__version__, METHOD)
    earlier = dataclasses.replace(kept, method="0", program="0.0.1")
    assert pipeline.check_state(earlier, hall.territory) is None  # its figures are the same
    table = kept.results["land"].assign(places=-1)
    other = dataclasses.replace(earlier, results={**kept.results, "land": table})
    told = str(pipeline.check_state(other, hall.territory))
    assert told.startswith("the method has changed since (then 0, program 0.0.1; now ")
    assert "other land.places; its figures stand as they were published" in told


def test_program_says_the_version_that_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == __version__


def test_erasure_is_told_and_figures_stand_as_published(hall: Workshop) -> None:
    before = take(hall)
    gone = before.initiatives["id"].iloc[7]
    hall.store.erase(gone, now=NOW)
    kept = hall.store.read_state(before.name)
    assert kept.erased == 1
    assert gone not in set(kept.initiatives["id"])
    for level in LEVELS:
        assert_frame_equal(kept.results[level], before.results[level], check_exact=True)
    told = str(pipeline.check_state(kept, hall.territory))
    assert told.startswith("1 record was erased since; its figures stand")


def test_name_is_given_once_and_demand_must_exist(hall: Workshop) -> None:
    take(hall)
    with pytest.raises(QueryError, match="a state is never changed"):
        take(hall)
    with pytest.raises(NotFoundError, match="expected a loaded one"):
        take(hall, name="Bericht 2", demand_slug="nein")
    assert len(hall.store.states()) == 1


def test_state_is_taken_anew_where_an_import_came_between(
    workshop: Workshop, example_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.import_file(example_file, workshop, today=TODAY)
    keep, tries = workshop.store.save_state, []

    def keep_late(state: DatedState) -> int:
        if not tries:
            import_something_else(workshop, tmp_path)
        tries.append(state.revision)
        return keep(state)

    monkeypatch.setattr(workshop.store, "save_state", keep_late)
    assert len(take(workshop).initiatives) == 475
    assert tries == [1, 2]


# ------------------------------------------------------------------------------- commands


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    return int(ended.value.code or 0), output.out, output.err


def test_command_keeps_lists_checks_and_deletes(
    capsys: pytest.CaptureFixture[str], sqlite_url: str, example_file: Path
) -> None:
    database = ("--database", sqlite_url)
    run(capsys, "import", str(example_file), *database)
    options = ("--radius-km", "3", "--category", "Begegnungsort", "--current-months", "36")
    code, out, _ = run(capsys, "snapshot", "Bericht 2026-I", *options, *database)
    assert (code, out) == (
        0,
        "Kept 'Bericht 2026-I': 474 records of revision 1, 2507 areas measured.\n",
    )
    with Store(sqlite_url) as store:
        parameters = store.read_state("bericht-2026-i").parameters
    assert (parameters["radius_m"], parameters["current_within_months"]) == (3000, 36)
    assert json.loads(json.dumps(parameters["categories"])) == ["Begegnungsort"]
    listed = run(capsys, "snapshot", "--list", *database)[1]
    assert "Bericht 2026-I" in listed
    assert __version__ in listed
    code, out, _ = run(capsys, "snapshot", "--check", "Bericht 2026-I", *database)
    assert (code, "every figure is the same to the last digit" in out) == (0, True)
    code, out, _ = run(capsys, "snapshot", "--delete", "Bericht 2026-I", "--yes", *database)
    assert (code, out) == (0, "Deleted 'Bericht 2026-I'; revision 3.\n")
    assert run(capsys, "snapshot", "--delete", "Bericht 2026-I", "--yes", *database)[0] == 2
    assert "No state is kept yet" in run(capsys, "snapshot", "--list", *database)[1]


@pytest.mark.parametrize(("radius_km", "radius_m"), [("64.1", 64_100.0), ("0.05", 50.0)])
def test_radius_is_kept_in_millimetres(
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
    example_file: Path,
    radius_km: str,
    radius_m: float,
) -> None:
    """64.1 * 1,000 is 64,099.99999999999, which no address means."""
    database = ("--database", sqlite_url)
    run(capsys, "import", str(example_file), *database)
    assert run(capsys, "snapshot", "Probe", "--radius-km", radius_km, *database)[0] == 0
    with Store(sqlite_url) as store:
        assert store.read_state("probe").parameters["radius_m"] == radius_m


def test_command_asks_before_it_deletes(
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
    example_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = ("--database", sqlite_url)
    run(capsys, "import", str(example_file), *database)
    run(capsys, "snapshot", "Probe", *database)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _prompt: "n")
    assert run(capsys, "snapshot", "--delete", "Probe", *database)[0] == 130
    with Store(sqlite_url) as store:
        assert len(store.states()) == 1


@pytest.mark.parametrize("arguments", [(), ("--list", "--check", "x"), ("a", "--delete", "x")])
def test_command_says_what_it_expects(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, _, err = run(capsys, "snapshot", *arguments)
    assert code == 2
    assert "Expected one of NAME" in err


def test_nothing_is_kept_of_an_empty_database(
    capsys: pytest.CaptureFixture[str], sqlite_url: str
) -> None:
    code, _, err = run(capsys, "snapshot", "Probe", "--database", sqlite_url)
    assert code == 2
    assert "import a file" in err
