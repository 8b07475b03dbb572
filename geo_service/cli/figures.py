"""The commands that measure coverage, and load whom it is measured for."""

from __future__ import annotations

from pathlib import Path

import click

from geo_service import exports, pipeline
from geo_service.cli.options import (
    EXISTING_FILE,
    NEW_FILE,
    Measured,
    database_option,
    issues_option,
    level_option,
    measure_options,
)
from geo_service.cli.printing import (
    LEVEL_NAMES,
    console,
    print_coverage,
    print_demands,
    print_issues,
    say,
    say_written,
)
from geo_service.cli.setup import (
    EXIT_FINDINGS,
    now,
    open_workshop,
    read_current,
    read_settings,
    telling_issues,
    today,
    write_issues,
)
from geo_service.config import Settings
from geo_service.formats import BERLIN, german_date, german_number
from geo_service.schema import Level
from geo_service.snapshot import load_territory
from geo_service.store import Store


@click.command("coverage")
@level_option
@measure_options
@click.option("--all", "show_all", is_flag=True, help="Print every area, not the worst 40.")
@click.option(
    "--out",
    type=NEW_FILE,
    metavar="FILE",
    help="Write .csv, .xlsx, .geojson or .gpkg with source notes.",
)
@database_option
def coverage_command(
    level: Level,
    measured: Measured,
    show_all: bool,
    out: Path | None,
    database: str | None,
) -> None:
    """Measure how well places reach people, worst areas first.

    Below a share stands the range it can lie in, because roughly placed records may be
    anywhere in their municipality; "unsicher" is a judgement that flips within it.
    """
    settings = read_settings(database)
    parameters = measured.parameters(settings)
    current = read_current(settings)
    table = current.coverage(level, parameters, today=today(), demand=measured.demand_slug)
    people = current.demand(measured.demand_slug)
    described = {"Menschen": people.name or "alle", **parameters.describe()}
    notes = tuple(dict.fromkeys((*current.source_notes, people.source_note)))
    if out is not None:  # first, so that a refusal does not stand below a long table
        exports.write_coverage(
            out,
            table,
            current.areas[level],
            parameters=described,
            source_notes=notes,
            revision=current.revision,
            today=today(),
        )
    changed_on = current.changed_at.astimezone(BERLIN).date()
    title = f"{LEVEL_NAMES[level]}, Daten vom {german_date(changed_on)}"
    print_coverage(table, title, show_all=show_all)
    for label, value in described.items():
        say(f"{label}: {value}")
    for note in notes:
        say(note, style="dim")
    say_written(out)


@click.command("load-demand")
@click.argument("file", type=EXISTING_FILE, required=False)
@click.option("--name", metavar="NAME", help="What these people are called; needed to load.")
@click.option("--source-note", default="", metavar="TEXT", help="Where the figures come from.")
@click.option("--date", "as_of", metavar="DATE", help="Day, month or year of the figures.")
@click.option("--column", metavar="HEADING", help="Column of the figures, where it is not clear.")
@click.option("--dash-unknown", is_flag=True, help="Read a dash as unknown instead of as zero.")
@click.option("--partial", is_flag=True, help="Load the rows that hold; the others are unknown.")
@issues_option
@click.option("--list", "show_list", is_flag=True, help="List the loaded demands.")
@click.option("--remove", metavar="NAME", help="Remove a loaded demand, by name or slug.")
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
    settings = read_settings(database)
    if file is None:
        return _list_or_remove_demand(settings, remove)
    if name is None:
        raise click.UsageError("Expected --name NAME with FILE.")
    territory = load_territory(settings.data_dir)
    with telling_issues(issues_file), open_workshop(settings, territory) as workshop:
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
    write_issues(issues_file, report.issues)
    print_issues(report.issues)
    print_demands([report.demand])
    console.print(f"{report.accepted} of {report.rows} rows loaded; revision {report.revision}.")
    return 0 if report.accepted == report.rows else EXIT_FINDINGS


def _list_or_remove_demand(settings: Settings, remove: str | None) -> int:
    with Store(settings.database_url) as store:
        if remove is None:
            print_demands(store.read().demands)
        else:
            names = {one.name: one.slug for one in store.read().demands}
            revision = store.remove_demand(names.get(remove, remove), now=now())
            say(f"Removed {remove}; revision {revision}.")
    return 0


@click.command("load-population")
@click.argument("file", type=EXISTING_FILE)
@database_option
def load_population(file: Path, database: str | None) -> None:
    """Load a population grid, so that people count where they live.

    FILE is the Zensus 2022 grid of 1 km or 100 m, CSV or the official zip.
    """
    settings = read_settings(database)
    with open_workshop(settings, load_territory(settings.data_dir)) as workshop:
        report = pipeline.load_population(file, workshop)
    grid = report.grid
    console.print(
        f"{german_number(grid.people)} people in {german_number(grid.cells)} cells;"
        f" {german_number(grid.cells_outside)} cells with {german_number(grid.people_outside)}"
        f" people lie outside the Land, {german_number(grid.unknown)} cells are unknown;"
        f" {german_number(report.people_at_seats)} people of {german_number(report.seats)}"
        " municipalities without a populated cell count at their seats;"
        f" revision {report.revision}.",
        soft_wrap=True,
    )
