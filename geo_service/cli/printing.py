"""What the commands print: tables and sentences for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from geo_service.changes import CROSSING_NAMES, KIND_NAMES, PART_NAMES
from geo_service.errors import GeoServiceError, ValidationError
from geo_service.formats import (
    NOISE,
    german_date,
    german_distance,
    german_number,
    german_percent,
    number_text,
    percent_text,
    signed_text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

    from geo_service.changes import Changes
    from geo_service.review import Finding
    from geo_service.schema import Coverage, Demand, Duplicate, ImportReport, Issue, Level
    from geo_service.store import StateSummary

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


def say(text: str, *, style: str | None = None) -> None:
    """Print a line of text as it is: nothing in it is markup, and it is not broken."""
    console.print(escape(text), style=style, soft_wrap=True)


def say_written(path: Path | None) -> None:
    """Say that a file was written, where one was asked for."""
    if path is not None:
        say(f"Written to {path}.")


def print_refused(error: GeoServiceError) -> None:
    """Say why nothing was done, and every fault of the file."""
    if isinstance(error, ValidationError):
        print_issues(error.issues)
    stderr.print(f"[bold red]Refused:[/] {escape(str(error))}")


def print_issues(issues: Sequence[Issue]) -> None:
    """Print the first faults and hints of a file, and how many more there are."""
    for issue in issues[:SHOWN]:
        colour = "red" if issue.severity == "error" else "yellow"
        stderr.print(f"[{colour}]{issue.severity}[/] {escape(str(issue))}")
    if len(issues) > SHOWN:
        stderr.print(f"… and {len(issues) - SHOWN} more; --issues OUT.csv writes them all.")


def print_report(report: ImportReport, *, duplicates: bool = True) -> None:
    """Print what an import did; of duplicates only how many, unless they are asked for."""
    print_issues(report.issues)
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
        print_duplicates(report.duplicates)
    elif report.duplicates:
        console.print(f"{len(report.duplicates)} probable duplicates: geo-service review.")


def print_duplicates(duplicates: Sequence[Duplicate]) -> None:
    """Print pairs that may be one place, where there are any."""
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


def print_findings(words: str, findings: Sequence[Finding]) -> None:
    """Print the records with one reason to look at them, where there are any."""
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


def print_demands(demands: Sequence[Demand]) -> None:
    """Print the loaded figures of other people."""
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


def print_states(states: Sequence[StateSummary]) -> None:
    """Print the dated states, or how to keep the first."""
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


# ----------------------------------------------------------------------------- changes


def print_changes(found: Changes, table: DataFrame, level: Level) -> None:
    """Print the areas where something changed, and what else is known of it."""
    moved = table[
        table["crossed"].notna()
        | (table["places_change"].fillna(0) != 0)
        | (table["people_reached_change"].fillna(0).abs() >= NOISE)
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
    _print_erased(found.old, found.erased_old, anew="old" in found.measured_anew)
    _print_erased(found.new, found.erased_new, anew="new" in found.measured_anew)


def _print_erased(name: str, erased: int, *, anew: bool) -> None:
    if not erased:
        return
    many = "1 Eintrag wurde" if erased == 1 else f"{german_number(erased)} Einträge wurden"
    said = f"{name}: {many} seither gelöscht."
    if anew:
        said += " Für den Vergleich neu gemessen; die veröffentlichten Zahlen können andere sein."
    say(said)


CHANGE_CELLS: Final[Mapping[str, Callable[[Mapping[Any, Any]], str]]] = {
    "Gebiet": lambda row: row["name"],
    "Orte\nvorher": lambda row: german_number(row["places_old"]),
    "dazu": lambda row: german_number(row["gained"], missing="?"),
    "weg": lambda row: german_number(row["lost"], missing="?"),
    "Orte\nnachher": lambda row: german_number(row["places_new"]),
    "erreicht\nvorher": lambda row: percent_text(row["share_reached_old"], missing="?"),
    "erreicht\nnachher": lambda row: percent_text(row["share_reached_new"], missing="?"),
    "Menschen\nerreicht": lambda row: signed_text(row["people_reached_change"], missing="?"),
    "davon\nVeränderung": lambda row: signed_text(row["people_reached_real"], missing="?"),
    "bessere\nDaten": lambda row: signed_text(row["people_reached_data"], missing="?"),
    "Übriges": lambda row: signed_text(row["people_reached_rest"], missing="?"),
    "Schwelle": lambda row: _crossing(row["crossed"], row["crossed_by"]),
}
"""Heading and text of each printed column; a question mark is unknown."""


def _crossing(crossed: object, part: object) -> str:
    if not isinstance(crossed, str):
        return ""
    by = f" ({PART_NAMES[part]})" if isinstance(part, str) else ""
    return CROSSING_NAMES[crossed] + by


# ---------------------------------------------------------------------------- coverage


def print_coverage(table: Coverage, title: str, *, show_all: bool) -> None:
    """Print the areas, worst first: every one, or as many as a screen holds."""
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
        percent_text(row[name], missing="?", down=True)
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
    "Men-\nschen": lambda row: number_text(row["people_counted"], missing="?"),
    "Orte": lambda row: german_number(row["places"]),
    "je\n10.000": lambda row: number_text(row["places_per_10k"], 2, missing="?"),
    "erreicht\n(möglich)": _share,
    "nicht\nerreicht": lambda row: number_text(row["people_beyond"], missing="?"),
    "nächster\nim Mittel": lambda row: german_distance(row["nearest_mean_m"], missing="?"),
    "E2SFCA": lambda row: number_text(row["e2sfca"], 2, missing="?"),
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
