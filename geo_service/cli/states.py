"""The commands of dated states: keep, check, delete, and say what changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pandas import DataFrame

from geo_service import exports, pipeline
from geo_service.cli.options import (
    NEW_FILE,
    Measured,
    database_option,
    level_option,
    measure_options,
)
from geo_service.cli.printing import print_changes, print_states, say, say_written
from geo_service.cli.setup import (
    EXIT_FINDINGS,
    now,
    open_store,
    open_workshop,
    read_settings,
    today,
)
from geo_service.config import Settings
from geo_service.schema import Level
from geo_service.snapshot import CURRENT, Snapshot, compare, load_territory
from geo_service.store import Store


@click.command("snapshot")
@click.argument("name", metavar="NAME", required=False)
@measure_options
@click.option("--list", "show_list", is_flag=True, help="List the states.")
@click.option("--check", metavar="NAME", help="Measure a state again and compare every figure.")
@click.option("--delete", metavar="NAME", help="Delete a state.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@database_option
def snapshot_command(
    name: str | None,
    measured: Measured,
    show_list: bool,
    check: str | None,
    delete: str | None,
    yes: bool,
    database: str | None,
) -> int:
    """Keep the state of today for good: records, people, parameters and all results.

    NAME is what the state is called, such as "Bericht 2026-I"; see docs/states.md.
    Exit status: 0 done, 1 a figure of --check is not the same any more, 2 nothing done.
    """
    if sum((name is not None, show_list, check is not None, delete is not None)) != 1:
        raise click.UsageError("Expected one of NAME, --list, --check NAME and --delete NAME.")
    settings = read_settings(database)
    with open_store(settings) as store:
        if name is None:
            return _list_check_or_delete_state(settings, store, check, delete, yes=yes)
    parameters = measured.parameters(settings)
    with open_workshop(settings, load_territory(settings.data_dir)) as workshop:
        state = pipeline.take_state(
            workshop,
            name=name,
            parameters=parameters,
            today=today(),
            demand_slug=measured.demand_slug,
        )
    say(
        f"Kept {state.name!r}: {len(state.initiatives)} records of revision {state.revision},"
        f" {sum(map(len, state.results.values()))} areas measured."
    )
    return 0


def _list_check_or_delete_state(
    settings: Settings, store: Store, check: str | None, delete: str | None, *, yes: bool
) -> int:
    if check is not None:
        return _check_state(settings, store, check)
    if delete is None:
        print_states(store.states())
        return 0
    state = store.read_state(delete)
    if not yes:
        click.confirm(f"Delete {state.name!r} of {state.today:%Y-%m-%d} for good?", abort=True)
    revision = store.remove_state(state.slug, now=now())
    say(f"Deleted {state.name!r}; revision {revision}.")
    return 0


def _check_state(settings: Settings, store: Store, name: str) -> int:
    fault = pipeline.check_state(store.read_state(name), load_territory(settings.data_dir))
    told = fault or "every figure is the same to the last digit"
    say(f"{name}: {told}.")
    return EXIT_FINDINGS if fault else 0


@click.command("changes")
@click.argument("old", metavar="VON")
@click.argument("new", metavar="[BIS|jetzt]", default=CURRENT)
@level_option
@click.option(
    "--csv",
    "out",
    type=NEW_FILE,
    metavar="OUT",
    help="Write every area with all figures to this CSV file.",
)
@database_option
def changes_command(
    old: str, new: str, level: Level, out: Path | None, database: str | None
) -> None:
    """Say what changed from a state to another one, or to today.

    Real change (places opened, closed, moved) is told apart from better data (new coordinates,
    confirmations, wording); see docs/states.md.
    """
    settings = read_settings(database)
    territory = load_territory(settings.data_dir)
    with open_store(settings) as store:
        found = compare(
            store.read_state(old),
            Snapshot.of(store.read(), territory) if new == CURRENT else store.read_state(new),
            today=today(),
            territory=territory,
        )
    table = found.areas[level]
    if out is not None:
        exports.write_rows(out, _rows(table), [*table.columns])
    print_changes(found, table, level)
    say_written(out)


def _rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return each row, missing values as None."""
    known = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]
