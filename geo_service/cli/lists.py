"""The commands that work on the records: import, refresh, review, erase."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import click

from geo_service import exports, pipeline, records, review
from geo_service.cli.options import EXISTING_FILE, NEW_FILE, database_option, issues_option
from geo_service.cli.printing import (
    console,
    print_duplicates,
    print_findings,
    print_report,
    say,
    say_written,
)
from geo_service.cli.setup import (
    EXIT_FINDINGS,
    now,
    open_store,
    open_workshop,
    read_settings,
    telling_issues,
    today,
    write_issues,
)
from geo_service.schema import Duplicate
from geo_service.snapshot import load_territory

FINDING_COLUMNS: Final = tuple(part.name for part in dataclasses.fields(review.Finding))
"""The headings of ``review --out``, also where nothing was found."""


@click.command("import")
@click.argument("file", type=EXISTING_FILE)
@click.option("--dry-run", is_flag=True, help="Show what would happen; write nothing.")
@click.option("--strict", is_flag=True, help="Refuse the file when any row has a fault.")
@click.option("--dataset", metavar="NAME", help="List this is an edition of; default: file name.")
@issues_option
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
    settings = read_settings(database)
    territory = load_territory(settings.data_dir)
    with telling_issues(issues_file), open_workshop(settings, territory) as workshop:
        report = pipeline.import_file(
            file, workshop, today=today(), dataset=dataset, strict=strict, dry_run=dry_run
        )
    write_issues(issues_file, report.issues)
    print_report(report)
    return EXIT_FINDINGS if report.rejected else 0


@click.command()
@database_option
def refresh(database: str | None) -> None:
    """Find points and municipalities of all stored records anew."""
    settings = read_settings(database)
    with open_store(settings):
        pass
    with open_workshop(settings, load_territory(settings.data_dir)) as workshop:
        outcomes = pipeline.refresh(workshop, today=today())
        revision = workshop.store.revision()
    updated = sum(outcome.updated for outcome in outcomes)
    unchanged = sum(outcome.unchanged for outcome in outcomes)
    console.print(f"{updated} records updated, {unchanged} unchanged; revision {revision}.")


@click.command("review")
@click.option("--out", type=NEW_FILE, metavar="FILE.csv", help="Write all findings to this file.")
@database_option
def review_command(out: Path | None, database: str | None) -> int:
    """List what a person should look at: points missing, doubtful or too rough; duplicates.

    Exit status: 0 nothing to look at, 1 findings.
    """
    with open_store(read_settings(database)) as store:
        state = store.read()
    findings = review.find_findings(state.initiatives)
    duplicates = records.find_duplicates(state.initiatives)
    if out is not None:
        rows = [f.as_dict() for f in findings] + [_duplicate_row(d) for d in duplicates]
        exports.write_rows(out, rows, FINDING_COLUMNS)
    for reason, words in review.REASONS.items():
        print_findings(words, [finding for finding in findings if finding.reason == reason])
    print_duplicates(duplicates)
    total = len(findings) + len(duplicates)
    console.print(
        f"Revision {state.revision}: {len(state.initiatives)} records, {len(findings)} to look at,"
        f" {len(duplicates)} probable duplicates."
    )
    if out is not None and not total:
        say(f"Written to {out}: only the headings, because there is nothing to look at.")
    else:
        say_written(out)
    return EXIT_FINDINGS if total else 0


def _duplicate_row(pair: Duplicate) -> dict[str, Any]:
    return {
        "reason": "probably the same place",
        "id": pair.id,
        "name": pair.name,
        "stated": "",
        "detail": f"{pair.other_id} {pair.other_name}: {pair.reason}",
        "source_line": None,
    }


@click.command()
@click.argument("record_id", metavar="ID")
@database_option
def erase(record_id: str, database: str | None) -> None:
    """Erase a record, its history and its rows in states: no trace of its text stays behind.

    The figures of states stand as they were published; each state counts what it lost.
    Copies that --reset set aside, backups and exported files are not reached; a list that
    still has the record brings it back with its next import.
    """
    with open_store(read_settings(database)) as store:
        revision = store.erase(record_id, now=now())
    say(f"Erased {record_id}; revision {revision}.")
