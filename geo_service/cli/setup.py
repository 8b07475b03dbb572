"""What a command needs before it begins: settings, the database, the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from geo_service import geocoding, pipeline, records
from geo_service.cli.printing import stderr
from geo_service.config import Settings, load_settings, missing_settings
from geo_service.errors import QueryError, ValidationError
from geo_service.formats import BERLIN
from geo_service.schema import Issue
from geo_service.snapshot import Snapshot, Territory, load_territory
from geo_service.store import Store

EXIT_FINDINGS: Final = 1
"""It was done, but rows were rejected or findings wait for a person."""
EXIT_REFUSED: Final = 2
"""Nothing was done: the call, the file or a setting is wrong."""


def read_settings(database: str | None, **overrides: Any) -> Settings:
    """Read the settings; what the command line gave goes before the environment."""
    given = {name: value for name, value in overrides.items() if value is not None}
    if database:
        given["database_url"] = database
    return replace(load_settings(), **given)


def warn_of_missing(settings: Settings) -> None:
    """Tell the operator which settings a public service must have and this one lacks."""
    missing = missing_settings(settings)
    if missing:
        stderr.print("[yellow]Not set, but required of a public service:[/]")
        for name in missing:
            stderr.print(f"  {name}")
        stderr.print("The pages say so where it is missing; docs/settings.md explains each.")


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """Open the store to read; a database that has no records yet is the user's next step."""
    with Store(settings.database_url) as store:  # not migrated: a slip makes no database
        if store.revision() == 0:
            raise QueryError(
                "the database: expected records, got none yet; import a file first"
                " (geo-service import FILE) or start the service, which loads the examples"
            )
        yield store


def read_current(settings: Settings) -> Snapshot:
    """Read the present records and the Land."""
    territory = load_territory(settings.data_dir)
    with open_store(settings) as store:
        return Snapshot.of(store.read(), territory)


@contextmanager
def open_workshop(settings: Settings, territory: Territory) -> Iterator[pipeline.Workshop]:
    """Open the store to change it, with everything the main path needs."""
    with Store(settings.database_url) as store, _progress() as progress:
        store.migrate()
        yield pipeline.Workshop(store, territory, _online(settings), progress)


def _online(settings: Settings) -> geocoding.OnlineGeocoder | None:
    if not settings.geocoder:
        return None
    return geocoding.make_online_geocoder(
        geocoding.OnlineSettings(
            service=settings.geocoder,
            endpoint=settings.geocoder_url,
            contact=settings.geocoder_contact,
            min_delay_s=settings.geocoder_min_delay_s,
            timeout_s=settings.geocoder_timeout_s,
            licence=settings.geocoder_licence,
        )
    )


@contextmanager
def _progress() -> Iterator[Callable[[int, int, float | None], None]]:
    """Show how many addresses are done and how long the rest will take."""
    columns = (
        TextColumn("Finding addresses"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[remaining]}"),
    )
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False, remaining="")

        def show(done: int, total: int, remaining_s: float | None) -> None:
            left = "" if remaining_s is None else f"{dt.timedelta(seconds=round(remaining_s))} left"
            bar.update(task, completed=done, total=total, visible=True, remaining=left)

        yield show


def today() -> dt.date:
    """Return the day that the pages have too, whatever the zone of the server."""
    return now().astimezone(BERLIN).date()


def now() -> dt.datetime:
    """Return the time in UTC."""
    return dt.datetime.now(dt.UTC)


# ------------------------------------------------------------------------------ issues


@contextmanager
def telling_issues(path: Path | None) -> Iterator[None]:
    """Write the faults of a refused file; what cannot be told afterwards is refused beforehand."""
    if path is not None:
        records.check_writable(path)
    try:
        yield
    except ValidationError as error:
        write_issues(path, error.issues)
        raise


def write_issues(path: Path | None, issues: Sequence[Issue]) -> None:
    """Write faults and hints to the file, where one was asked for."""
    if path is not None:
        records.write_issues(path, issues)
        stderr.print(escape(f"{len(issues)} faults and hints written to {path}."))
