"""The command line: what an operator does, from import to dated states."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from pandas import DataFrame
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from geo_service import __version__, coverage, exports, geocoding, pipeline, records, review
from geo_service.changes import CROSSING_NAMES, KIND_NAMES, PART_NAMES, Changes
from geo_service.config import Settings, load_settings, missing_settings
from geo_service.errors import GeoServiceError, QueryError, ValidationError
from geo_service.formats import german_date, german_distance, german_number, german_percent
from geo_service.names import slug
from geo_service.schema import (
    CATEGORIES,
    LEVELS,
    PRECISIONS,
    THEMES,
    Coverage,
    Demand,
    Duplicate,
    ImportReport,
    Issue,
    Level,
    Precision,
)
from geo_service.snapshot import CURRENT, Snapshot, Territory, compare, load_territory
from geo_service.store import StateSummary, Store

__all__ = ["cli", "main"]

EXIT_FINDINGS: Final = 1
"""It was done, but rows were rejected or findings wait for a person."""
EXIT_REFUSED: Final = 2
"""Nothing was done: the call, the file or a setting is wrong."""
SHOWN: Final = 20
"""Faults and findings printed to the terminal; a file has them all."""
LEVEL_NAMES: Final = {
    "gemeinde": "Gemeinden",
    "verbandsgemeinde": "Verbandsgemeinden und verbandsfreie Gemeinden",
    "kreis": "Landkreise und kreisfreie Städte",
    "land": "Land",
}

console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a fault of the user's is one clear message, not a traceback."""
    try:
        status = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="geo-service",
            standalone_mode=False,
        )
    except (click.exceptions.Abort, KeyboardInterrupt):
        stderr.print("Stopped.")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GeoServiceError as error:
        if isinstance(error, ValidationError):
            _print_issues(error.issues)
        stderr.print(f"[bold red]Refused:[/] {escape(str(error))}")
        sys.exit(EXIT_REFUSED)
    sys.exit(status if isinstance(status, int) else 0)


def database_option(command: _Command) -> _Command:
    """Add ``--database``, which goes before DATABASE_URL."""
    return click.option(
        "--database",
        metavar="URL",
        help="Database; default: DATABASE_URL, else SQLite in instance/.",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def cli() -> None:
    """Begegnungsorte in Rheinland-Pfalz: records, coverage, maps."""


@cli.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on; default 8000.")
@click.option("--workers", type=click.IntRange(1, 64), help="Web processes; default 2.")
@click.option("--reset", is_flag=True, help="Set the database aside and build it anew from data/.")
@database_option
def serve(
    host: str | None, port: int | None, workers: int | None, reset: bool, database: str | None
) -> None:
    """Serve the pages; the first start builds the database from the example records."""
    settings = _settings(database, host=host, port=port, workers=workers)
    # Imported late: the other commands start without the web.
    from geo_service import server

    server.check_port(settings.host, settings.port)
    if reset:
        with Store(settings.database_url) as store:
            aside = store.reset(now=_now())
        console.print(f"Database set aside as {aside}" if aside else "No database was there yet.")
    territory = load_territory(settings.data_dir)
    with _workshop(settings, territory) as workshop:
        if not workshop.store.imports(limit=1):
            examples = settings.data_dir / "initiativen" / "initiativen.csv"
            console.print(f"Building the database from {examples}")
            _print_report(
                pipeline.import_file(examples, workshop, today=_today()), duplicates=False
            )
        revision = workshop.store.revision()
    _warn_of_missing(settings)
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    console.print(
        escape(
            f"Serving {settings.service_name}, revision {revision},"
            f" on http://{address}:{settings.port} (Ctrl-C ends)"
        ),
        soft_wrap=True,
    )
    sys.stdout.flush()
    server.serve(settings, territory)


@cli.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would happen; write nothing.")
@click.option("--strict", is_flag=True, help="Refuse the file when any row has a fault.")
@click.option("--dataset", metavar="NAME", help="List this is an edition of; default: file name.")
@click.option(
    "--issues",
    "issues_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="OUT.csv",
    help="Write every fault to this file.",
)
@database_option
def import_command(
    file: Path,
    dry_run: bool,
    strict: bool,
    dataset: str | None,
    issues_file: Path | None,
    database: str | None,
) -> int:
    """Import a list of places and initiatives: all or nothing, one revision.

    FILE is CSV, XLSX or GeoJSON; docs/records.md lists the headings.
    Exit status: 0 all rows imported, 1 some rows rejected, 2 nothing imported.
    """
    settings = _settings(database)
    if issues_file is not None:  # what cannot be told afterwards is refused beforehand
        records.check_writable(issues_file)
    with _workshop(settings, load_territory(settings.data_dir)) as workshop:
        try:
            report = pipeline.import_file(
                file, workshop, today=_today(), dataset=dataset, strict=strict, dry_run=dry_run
            )
        except ValidationError as error:
            _write_issues(issues_file, error.issues)
            raise
    _write_issues(issues_file, report.issues)
    _print_report(report)
    return EXIT_FINDINGS if report.rejected else 0


@cli.command()
@database_option
def refresh(database: str | None) -> None:
    """Find points and municipalities of all stored records anew."""
    settings = _settings(database)
    with _existing_store(settings):
        pass
    with _workshop(settings, load_territory(settings.data_dir)) as workshop:
        outcomes = pipeline.refresh(workshop, today=_today())
        revision = workshop.store.revision()
    updated = sum(outcome.updated for outcome in outcomes)
    unchanged = sum(outcome.unchanged for outcome in outcomes)
    console.print(f"{updated} records updated, {unchanged} unchanged; revision {revision}.")


@cli.command("review")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE.csv",
    help="Write all findings to this file.",
)
@database_option
def review_command(out: Path | None, database: str | None) -> int:
    """List what a person should look at: points missing, doubtful or too rough; duplicates.

    Exit status: 0 nothing to look at, 1 findings.
    """
    with _existing_store(_settings(database)) as store:
        state = store.read()
    findings = review.find_findings(state.initiatives)
    duplicates = records.find_duplicates(state.initiatives)
    if out is not None:
        exports.write_rows(
            out, [f.as_dict() for f in findings] + [_duplicate_row(d) for d in duplicates]
        )
    for reason, words in review.REASONS.items():
        _print_findings(words, [finding for finding in findings if finding.reason == reason])
    _print_duplicates(duplicates)
    total = len(findings) + len(duplicates)
    console.print(
        f"Revision {state.revision}: {len(state.initiatives)} records, {len(findings)} to look at,"
        f" {len(duplicates)} probable duplicates."
    )
    if out is not None:
        console.print(escape(f"Written to {out}."))
    return EXIT_FINDINGS if total else 0


def measure_options(command: _Command) -> _Command:
    """Add the options that say which places count, and within which radius."""
    months = click.IntRange(min=1)
    for option in (
        click.option("--demand", metavar="NAME", help="These people count; see load-demand."),
        click.option("--current-months", type=months, help="Only places stated since count."),
        click.option(
            "--precision", type=click.Choice(PRECISIONS), help="Rougher places do not count."
        ),
        click.option("--theme", multiple=True, type=click.Choice(THEMES), help="Only these count."),
        click.option(
            "--category", multiple=True, type=click.Choice(CATEGORIES), help="Only these count."
        ),
        click.option("--radius-km", type=float, help="Service radius in km; default 5."),
    ):
        command = option(command)
    return command


@cli.command("coverage")
@click.option(
    "--level", type=click.Choice(LEVELS), default="kreis", show_default=True, help="Areas to list."
)
@measure_options
@click.option("--all", "show_all", is_flag=True, help="Print every area, not the worst 40.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write .csv, .xlsx, .geojson or .gpkg with source notes.",
)
@database_option
def coverage_command(
    level: Level,
    radius_km: float | None,
    category: tuple[str, ...],
    theme: tuple[str, ...],
    precision: Precision | None,
    current_months: int | None,
    demand: str | None,
    show_all: bool,
    out: Path | None,
    database: str | None,
) -> None:
    """Measure how well places reach people, worst areas first.

    Below a share stands the range it can lie in, because roughly placed records may be
    anywhere in their municipality; "unsicher" is a judgement that flips within it.
    """
    settings = _settings(database)
    parameters = _parameters(settings, radius_km, category, theme, precision, current_months)
    territory = load_territory(settings.data_dir)
    with _existing_store(settings) as store:
        current = Snapshot.of(store.read(), territory)
    demand_slug = _demand_slug(demand)
    table = current.coverage(level, parameters, today=_today(), demand=demand_slug)
    people = current.demand(demand_slug)
    described = {"Menschen": people.name or "alle", **parameters.describe()}
    notes = tuple(dict.fromkeys((*current.source_notes, people.source_note)))
    if out is not None:  # first, so that a refusal does not stand below a long table
        exports.write_coverage(
            out,
            table,
            territory.areas[level],
            parameters=described,
            source_notes=notes,
            revision=current.revision,
            today=_today(),
        )
    title = f"{LEVEL_NAMES[level]}, Daten vom {german_date(current.changed_at.date())}"
    _print_coverage(table, title, show_all=show_all)
    for label, value in described.items():
        console.print(escape(f"{label}: {value}"), soft_wrap=True)
    for note in notes:
        console.print(escape(note), style="dim", soft_wrap=True)
    if out is not None:
        console.print(escape(f"Written to {out}."))


@cli.command("export-map")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.html")
@click.option("--gebiet", "area_key", default="", metavar="KEY", help="Only the places in it.")
@click.option("--category", multiple=True, type=click.Choice(CATEGORIES), help="Only these.")
@click.option("--theme", multiple=True, type=click.Choice(THEMES), help="Only these.")
@database_option
def export_map(
    out: Path,
    area_key: str,
    category: tuple[str, ...],
    theme: tuple[str, ...],
    database: str | None,
) -> None:
    """Write a map and its list as one file that needs no network, and a picture beside it.

    OUT.html has everything inside, for websites that may frame nothing; OUT.png is for those
    that show pictures alone. See docs/embed.md.
    """
    if out.suffix != ".html":
        raise QueryError(f"{out}: expected a name that ends in .html")
    settings = _settings(database)
    territory = load_territory(settings.data_dir)
    with _existing_store(settings) as store:
        current = Snapshot.of(store.read(), territory)
    # Imported late: the other commands start without the web.
    from geo_service.web.embed import standalone
    from geo_service.web.site import Backdrop, View

    view = View(current, dt.datetime.now(dt.UTC).astimezone(), Backdrop())
    file = standalone.StandaloneMap(
        view,
        standalone.read_area(view, area_key),
        kinds=category,
        themes=theme,
        name=settings.service_name,
        public_url=settings.public_url,
    )
    files = {out.with_suffix(".png"): file.png(), out: file.html()}
    standalone.write_whole(files)
    for path, content in files.items():
        size = german_number(len(content) / 1000)
        console.print(escape(f"Written to {path}, {size} kB."), soft_wrap=True)
    console.print(f"{len(file.places)} places.")


@cli.command("snapshot")
@click.argument("name", metavar="NAME", required=False)
@measure_options
@click.option("--list", "show_list", is_flag=True, help="List the states.")
@click.option("--check", metavar="NAME", help="Measure a state again and compare every figure.")
@click.option("--delete", metavar="NAME", help="Delete a state.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@database_option
def snapshot_command(
    name: str | None,
    radius_km: float | None,
    category: tuple[str, ...],
    theme: tuple[str, ...],
    precision: Precision | None,
    current_months: int | None,
    demand: str | None,
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
    settings = _settings(database)
    with _existing_store(settings) as store:
        if name is None:
            return _list_check_or_delete_state(settings, store, check, delete, yes=yes)
    parameters = _parameters(settings, radius_km, category, theme, precision, current_months)
    with _workshop(settings, load_territory(settings.data_dir)) as workshop:
        state = pipeline.take_state(
            workshop,
            name=name,
            parameters=parameters,
            today=_today(),
            demand_slug=_demand_slug(demand),
        )
    console.print(
        escape(
            f"Kept {state.name!r}: {len(state.initiatives)} records of revision {state.revision},"
            f" {sum(map(len, state.results.values()))} areas measured."
        ),
        soft_wrap=True,
    )
    return 0


def _list_check_or_delete_state(
    settings: Settings, store: Store, check: str | None, delete: str | None, *, yes: bool
) -> int:
    if check is not None:
        return _check_state(settings, store, check)
    if delete is None:
        _print_states(store.states())
        return 0
    state = store.read_state(delete)
    if not yes:
        click.confirm(f"Delete {state.name!r} of {state.today:%Y-%m-%d} for good?", abort=True)
    revision = store.remove_state(state.slug, now=_now())
    console.print(escape(f"Deleted {state.name!r}; revision {revision}."))
    return 0


def _check_state(settings: Settings, store: Store, name: str) -> int:
    fault = pipeline.check_state(store.read_state(name), load_territory(settings.data_dir))
    told = fault or "every figure is the same to the last digit"
    console.print(escape(f"{name}: {told}."), soft_wrap=True)
    return EXIT_FINDINGS if fault else 0


@cli.command("changes")
@click.argument("old", metavar="VON")
@click.argument("new", metavar="[BIS|jetzt]", default=CURRENT)
@click.option(
    "--level", type=click.Choice(LEVELS), default="kreis", show_default=True, help="Areas to list."
)
@click.option(
    "--csv",
    "out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
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
    settings = _settings(database)
    territory = load_territory(settings.data_dir)
    with _existing_store(settings) as store:
        found = compare(
            store.read_state(old),
            Snapshot.of(store.read(), territory) if new == CURRENT else store.read_state(new),
            today=_today(),
            territory=territory,
        )
    table = found.areas[level]
    if out is not None:
        exports.write_rows(out, _rows(table), [*table.columns])
    _print_changes(found, table, level)
    if out is not None:
        console.print(escape(f"Written to {out}."))


@cli.command()
@click.argument("record_id", metavar="ID")
@database_option
def erase(record_id: str, database: str | None) -> None:
    """Erase a record, its history and its rows in states: no trace of its text stays behind.

    The figures of states stand as they were published; each state counts what it lost.
    Copies that --reset set aside, backups and exported files are not reached; a list that
    still has the record brings it back with its next import.
    """
    with _existing_store(_settings(database)) as store:
        revision = store.erase(record_id, now=_now())
    console.print(escape(f"Erased {record_id}; revision {revision}."))


@cli.command("load-demand")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option("--name", metavar="NAME", help="What these people are called; needed to load.")
@click.option("--source-note", default="", metavar="TEXT", help="Where the figures come from.")
@click.option("--date", "as_of", metavar="DATE", help="Day, month or year of the figures.")
@click.option("--column", metavar="HEADING", help="Column of the figures, where it is not clear.")
@click.option("--dash-unknown", is_flag=True, help="Read a dash as unknown instead of as zero.")
@click.option("--partial", is_flag=True, help="Load the rows that hold; the others are unknown.")
@click.option(
    "--issues",
    "issues_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="OUT.csv",
    help="Write every fault to this file.",
)
@click.option("--list", "show_list", is_flag=True, help="List the loaded demands.")
@click.option("--remove", metavar="NAME", help="Remove a loaded demand.")
@database_option
def load_demand(
    file: Path | None,
    name: str | None,
    source_note: str,
    as_of: str | None,
    column: str | None,
    dash_unknown: bool,
    partial: bool,
    issues_file: Path | None,
    show_list: bool,
    remove: str | None,
    database: str | None,
) -> int:
    """Load figures of any people per Gemeinde, Verbandsgemeinde or Kreis as a demand.

    FILE is CSV or XLSX with a column of keys and one of figures; see docs/demand.md.
    Exit status: 0 all rows loaded, 1 some rows left out (--partial), 2 nothing loaded.
    """
    if sum((file is not None, show_list, remove is not None)) != 1:
        raise click.UsageError("Expected one of FILE, --list and --remove NAME.")
    settings = _settings(database)
    if file is None:
        return _list_or_remove_demand(settings, remove)
    if name is None:
        raise click.UsageError("Expected --name NAME with FILE.")
    if issues_file is not None:
        records.check_writable(issues_file)
    with _workshop(settings, load_territory(settings.data_dir)) as workshop:
        try:
            report = pipeline.load_demand(
                file,
                workshop,
                name=name,
                source_note=source_note,
                as_of=as_of,
                column=column,
                dash_unknown=dash_unknown,
                partial=partial,
            )
        except ValidationError as error:
            _write_issues(issues_file, error.issues)
            raise
    _write_issues(issues_file, report.issues)
    _print_issues(report.issues)
    _print_demands([report.demand])
    console.print(f"{report.accepted} of {report.rows} rows loaded; revision {report.revision}.")
    return 0 if report.accepted == report.rows else EXIT_FINDINGS


def _list_or_remove_demand(settings: Settings, remove: str | None) -> int:
    with Store(settings.database_url) as store:
        if remove is None:
            _print_demands(store.read().demands)
        else:
            revision = store.remove_demand(slug(remove), now=_now())
            console.print(escape(f"Removed {remove}; revision {revision}."))
    return 0


@cli.command("load-population")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@database_option
def load_population(file: Path, database: str | None) -> None:
    """Load a population grid, so that people count where they live.

    FILE is the Zensus 2022 grid of 1 km or 100 m, CSV or the official zip.
    """
    settings = _settings(database)
    with _workshop(settings, load_territory(settings.data_dir)) as workshop:
        report = pipeline.load_population(file, workshop)
    grid = report.grid
    console.print(
        f"{german_number(grid.people)} people in {german_number(grid.cells)} cells;"
        f" {german_number(grid.cells_outside)} cells with {german_number(grid.people_outside)}"
        f" people lie outside the Land, {german_number(grid.unknown)} cells are unknown;"
        f" revision {report.revision}.",
        soft_wrap=True,
    )


# ------------------------------------------------------------------------------ set-up


def _settings(database: str | None, **overrides: Any) -> Settings:
    given = {name: value for name, value in overrides.items() if value is not None}
    if database:
        given["database_url"] = database
    return replace(load_settings(), **given)


def _parameters(
    settings: Settings,
    radius_km: float | None,
    categories: tuple[str, ...],
    themes: tuple[str, ...],
    precision: Precision | None,
    current_months: int | None,
) -> coverage.CoverageParameters:
    """Return what `measure_options` ask for."""
    return coverage.CoverageParameters(
        radius_m=settings.radius_m if radius_km is None else _metres(radius_km),
        categories=categories,
        themes=themes,
        minimum_precision=precision,
        current_within_months=current_months,
    )


def _demand_slug(name: str | None) -> str | None:
    return None if name is None else slug(name)


def _metres(radius_km: float) -> float:
    """Return what ``--radius-km`` says in metres; it is refused in kilometres, as it came."""
    most_km = coverage.MAX_RADIUS_M / 1000
    if not 0 < radius_km <= most_km:
        raise QueryError(
            f"--radius-km: expected over 0 to {most_km:g} kilometres, got {radius_km:g}"
        )
    return radius_km * 1000


def _warn_of_missing(settings: Settings) -> None:
    """Tell the operator which settings a public service must have and this one lacks."""
    missing = missing_settings(settings)
    if missing:
        stderr.print("[yellow]Not set, but required of a public service:[/]")
        for name in missing:
            stderr.print(f"  {name}")
        stderr.print("The pages say so where it is missing; docs/settings.md explains each.")


@contextmanager
def _existing_store(settings: Settings) -> Iterator[Store]:
    """Open the store to read; a database that has no records yet is the user's next step."""
    with Store(settings.database_url) as store:  # not migrated: a slip makes no database
        if store.revision() == 0:
            raise QueryError(
                "the database: expected records, got none yet; import a file first"
                " (geo-service import FILE) or start the service, which loads the examples"
            )
        yield store


@contextmanager
def _workshop(settings: Settings, territory: Territory) -> Iterator[pipeline.Workshop]:
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


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).astimezone().date()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


# ------------------------------------------------------------------------------ output


def _write_issues(path: Path | None, issues: Sequence[Issue]) -> None:
    if path is not None:
        records.write_issues(path, issues)
        stderr.print(escape(f"{len(issues)} faults and hints written to {path}."))


def _print_issues(issues: Sequence[Issue]) -> None:
    for issue in issues[:SHOWN]:
        colour = "red" if issue.severity == "error" else "yellow"
        stderr.print(f"[{colour}]{issue.severity}[/] {escape(str(issue))}")
    if len(issues) > SHOWN:
        stderr.print(f"… and {len(issues) - SHOWN} more; --issues OUT.csv writes them all.")


def _print_report(report: ImportReport, *, duplicates: bool = True) -> None:
    _print_issues(report.issues)
    verb = "Would import" if report.dry_run else "Imported"
    console.print(
        escape(
            f"{verb} {report.file}: {report.rows} rows, {report.accepted} accepted"
            f" ({report.created} new, {report.updated} updated, {report.unchanged} unchanged),"
            f" {report.rejected} rejected; revision {report.revision}."
        ),
        soft_wrap=True,
    )
    found = report.statuses.get("found", 0)
    rest = {status: n for status, n in sorted(report.statuses.items()) if status != "found"}
    others = "".join(f", {count} {status.replace('_', ' ')}" for status, count in rest.items())
    console.print(f"Points: {found} of {report.accepted} found{others}.")
    if report.missing:
        console.print(f"{len(report.missing)} stored records are not in this file; they were kept.")
    if duplicates:
        _print_duplicates(report.duplicates)
    elif report.duplicates:
        console.print(f"{len(report.duplicates)} probable duplicates: geo-service review.")


def _print_duplicates(duplicates: Sequence[Duplicate]) -> None:
    if not duplicates:
        return
    table = Table(title=f"{len(duplicates)} probable duplicates, not merged", title_justify="left")
    for heading in ("Name", "Other name", "Alike", "Apart", "Why"):
        table.add_column(heading, overflow="fold")
    for pair in duplicates[:SHOWN]:
        table.add_row(
            escape(pair.name),
            escape(pair.other_name),
            german_percent(pair.score, 0),
            german_distance(pair.distance_m, missing="unknown"),
            escape(pair.reason),
        )
    console.print(table)
    if len(duplicates) > SHOWN:
        console.print(f"… and {len(duplicates) - SHOWN} more; geo-service review --out has all.")


def _duplicate_row(pair: Duplicate) -> dict[str, Any]:
    return {
        "reason": "probably the same place",
        "id": pair.id,
        "name": pair.name,
        "stated": "",
        "detail": f"{pair.other_id} {pair.other_name}: {pair.reason}",
        "source_line": None,
    }


def _print_findings(words: str, findings: Sequence[review.Finding]) -> None:
    if not findings:
        return
    table = Table(title=f"{len(findings)}: {words}", title_justify="left")
    for heading in ("Id", "Name", "Stated", "Detail"):
        table.add_column(heading, overflow="fold")
    for finding in findings[:SHOWN]:
        table.add_row(*map(escape, (finding.id, finding.name, finding.stated, finding.detail)))
    console.print(table)
    if len(findings) > SHOWN:
        console.print(f"… and {len(findings) - SHOWN} more; --out FILE.csv has them all.")


def _print_demands(demands: Sequence[Demand]) -> None:
    table = Table(title=f"{len(demands)} demands", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("Name", "bedarf=", "Per", "Date", "Areas", "Unknown", "People", "Source"):
        number = heading in {"Areas", "Unknown", "People"}
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for demand in demands:
        table.add_row(
            escape(demand.name),
            demand.slug,
            LEVEL_NAMES[demand.level].split()[0],
            german_date(demand.as_of, missing="?"),
            german_number(len(demand.figures)),
            german_number(demand.unknown),
            german_number(demand.total),
            escape(demand.source_note),
        )
    console.print(table)


def _print_states(states: Sequence[StateSummary]) -> None:
    if not states:
        console.print('No state is kept yet: geo-service snapshot "Bericht 2026-I" keeps one.')
        return
    table = Table(title="Dated states, oldest first", title_justify="left", box=SIMPLE_HEAD)
    headings = ("Name", "Day", "Taken at", "Program", "Revision", "Records", "Erased since")
    for heading in headings:
        number = heading in {"Revision", "Records", "Erased since"}
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for state in states:
        table.add_row(
            escape(state.name),
            german_date(state.today),
            f"{state.taken_at:%Y-%m-%d %H:%M} UTC",
            escape(state.program),
            german_number(state.revision),
            german_number(state.records),
            german_number(state.erased),
        )
    console.print(table)


def _rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return each row, missing values as None."""
    known = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def _print_changes(found: Changes, table: DataFrame, level: Level) -> None:
    moved = table[
        table["crossed"].notna()
        | (table["places_change"].fillna(0) != 0)
        | (table["people_reached_change"].fillna(0).round() != 0)
    ]
    printed = Table(
        title=f"{LEVEL_NAMES[level]}, {escape(found.old)} → {escape(found.new)}",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in CHANGE_CELLS:
        is_text = heading in {"Gebiet", "Schwelle"}
        printed.add_column(heading, justify="left" if is_text else "right", overflow="fold")
    for row in moved.to_dict("records"):
        printed.add_row(*(escape(cell(row)) for cell in CHANGE_CELLS.values()))
    console.print(printed)
    console.print(f"{len(table) - len(moved)} Gebiete ohne Veränderung.")
    counts = [
        f"{german_number(count)} {words[count != 1]}"
        for kind, words in KIND_NAMES.items()
        if (count := found.count(kind))
    ]
    console.print(f"Einträge: {', '.join(counts) or 'keine Veränderung'}.", soft_wrap=True)
    if found.boundaries_changed:
        console.print(
            "Die Grenzen sind andere als damals: verglichen werden die Zahlen, wie sie"
            " veröffentlicht wurden; was bessere Daten sind, lässt sich nicht abtrennen.",
            soft_wrap=True,
        )
    for name, erased in ((found.old, found.erased_old), (found.new, found.erased_new)):
        if erased:
            console.print(escape(f"{name}: {erased} Einträge wurden seither gelöscht."))


def _signed(value: float) -> str:
    text = german_number(value, missing="?")
    return f"+{text}" if value > 0 and text != "0" else text.replace("-", "−")


CHANGE_CELLS: Final[Mapping[str, Callable[[Mapping[Any, Any]], str]]] = {
    "Gebiet": lambda row: row["name"],
    "Orte\nvorher": lambda row: german_number(row["places_old"]),
    "dazu": lambda row: german_number(row["gained"], missing="?"),
    "weg": lambda row: german_number(row["lost"], missing="?"),
    "Orte\nnachher": lambda row: german_number(row["places_new"]),
    "erreicht\nvorher": lambda row: german_percent(row["share_reached_old"], 1, missing="?"),
    "erreicht\nnachher": lambda row: german_percent(row["share_reached_new"], 1, missing="?"),
    "Menschen\nerreicht": lambda row: _signed(row["people_reached_change"]),
    "davon\nVeränderung": lambda row: _signed(row["people_reached_real"]),
    "bessere\nDaten": lambda row: _signed(row["people_reached_data"]),
    "Übriges": lambda row: _signed(row["people_reached_rest"]),
    "Schwelle": lambda row: _crossing(row["crossed"], row["crossed_by"]),
}
"""Heading and text of each printed column; a question mark is unknown."""


def _crossing(crossed: object, part: object) -> str:
    if not isinstance(crossed, str):
        return ""
    by = f" ({PART_NAMES[part]})" if isinstance(part, str) else ""
    return CROSSING_NAMES[crossed] + by


def _print_coverage(table: Coverage, title: str, *, show_all: bool) -> None:
    worst = table.sort_values(
        ["share_reached", "population"], ascending=[True, False], na_position="last", kind="stable"
    )
    shown = worst if show_all else worst.head(WORST_SHOWN)
    names = [name for name in COVERAGE_CELLS if console.width >= WIDE or name not in ONLY_WIDE]
    printed = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in names:
        is_text = name in {"Gebiet", "Urteil"}
        printed.add_column(
            name,
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=not is_text,
            min_width={"Gebiet": 15, "Urteil": 8}.get(name),
        )
    for row in shown.to_dict("records"):
        printed.add_row(*(escape(COVERAGE_CELLS[name](row)) for name in names))
    console.print(printed)
    if len(shown) < len(worst):
        console.print(f"{len(worst) - len(shown)} weitere Gebiete: --all oder --out DATEI.")


def _share(row: Mapping[Any, Any]) -> str:
    """Write the share reached, and the range it can lie in where that is another text."""
    share, low, high = (
        german_percent(row[name], 1, missing="?", down=True)
        for name in ("share_reached", "share_low", "share_high")
    )
    return share if low == share == high else f"{share}\n{low.removesuffix(' %')}–{high}"


JUDGEMENTS: Final[Mapping[object, str]] = {
    "gap": "Lücke",
    "no_gap": "keine Lücke",
    "uncertain": "unsicher",
    "too_small": "zu klein",
    "unknown": "unbekannt",
}


def _judgement(row: Mapping[Any, Any]) -> str:
    """Write the judgement, and beside it that few places or people stand behind it."""
    small = ", kleine Zahl" if row["small_numbers"] is True else ""
    return JUDGEMENTS[row["judgement"]] + small


COVERAGE_CELLS: Final[Mapping[str, Callable[[Mapping[Any, Any]], str]]] = {
    "Gebiet": lambda row: row["name"],
    "Men-\nschen": lambda row: german_number(row["people_counted"], missing="?"),
    "Orte": lambda row: german_number(row["places"]),
    "je\n10.000": lambda row: german_number(row["places_per_10k"], 2, missing="?"),
    "erreicht\n(möglich)": _share,
    "nicht\nerreicht": lambda row: german_number(row["people_beyond"], missing="?"),
    "nächster\nim Mittel": lambda row: german_distance(row["nearest_mean_m"], missing="?"),
    "E2SFCA": lambda row: german_number(row["e2sfca"], 2, missing="?"),
    "unge-\nfähr": lambda row: german_number(row["rough"]),
    "ver-\naltet": lambda row: german_number(row["stale"]),
    "ohne\nDatum": lambda row: german_number(row["undated"]),
    "Urteil": _judgement,
}
"""Heading and text of each printed column; a question mark is unknown."""
ONLY_WIDE: Final = frozenset({"je\n10.000", "nicht\nerreicht", "nächster\nim Mittel", "E2SFCA"})
"""Columns that a narrow terminal leaves out; files have them all."""
WIDE: Final = 110
WORST_SHOWN: Final = 40


if __name__ == "__main__":
    main()
