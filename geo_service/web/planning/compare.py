"""Two dated states side by side: page, map, and files to take along."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from flask import Response, request, url_for

from geo_service import maps
from geo_service.changes import CROSSING_NAMES, KIND_NAMES, KINDS, PART_NAMES, PARTS
from geo_service.classification import HATCHES
from geo_service.errors import NotFoundError
from geo_service.exports import MEDIA_TYPES, render_rows, render_table
from geo_service.formats import german_date, german_distance, german_number
from geo_service.map_images import IMAGE_KINDS
from geo_service.names import slug
from geo_service.snapshot import CURRENT
from geo_service.web.answers import Body, answer
from geo_service.web.planning.answers import kept, packed_borders, page_body, page_bounds
from geo_service.web.planning.differences import difference_with_unit
from geo_service.web.planning.figures import area_index
from geo_service.web.planning.files import answer_picture
from geo_service.web.planning.pages import asked_choice, planning
from geo_service.web.planning.pictures import DifferenceMap, difference_picture
from geo_service.web.planning.query import (
    FINER,
    INDICATORS,
    PLANNING_LEVELS,
    Choice,
    query_string,
)
from geo_service.web.planning.state_choice import (
    StateChoice,
    choice_of,
    describe_absence,
    describe_state,
    read_states,
    shown_of,
)
from geo_service.web.planning.state_files import CHANGED_COLUMNS, EXPORT_COLUMNS, record_rows
from geo_service.web.planning.states import (
    PART_MEANINGS,
    UNSURE,
    StateComparison,
    cells_of,
    compare_dated,
    crossing_cause,
    people_unknown,
)
from geo_service.web.planning.summary import LEVEL_NAMES
from geo_service.web.planning.tables import PER_PAGE, Cell, can_drill, noted, offered_areas
from geo_service.web.site import View, the_site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.changes import RecordChange
    from geo_service.snapshot import Territory
    from geo_service.store import StateSummary

__all__ = ["ComparisonPage", "planning"]

TableKind: TypeAlias = Literal["csv", "xlsx", "geojson"]
PER_KIND: Final = 50
"""Records listed of a kind; the file has them all."""

TITLE: Final = "Was sich verändert hat"
_DATA_ONLY: Final = "vor Ort unverändert: nur bessere Daten oder Übriges"
_HATCH_LABELS: Final = {
    "unknown": "keine Angabe",
    "uncertain": "keine sichere Veränderung vor Ort",
}


@planning.get("/vergleich")
def compare_states() -> Response:
    """Show what became of a dated state: summary, map, table and records."""
    view, asked = asked_choice()
    shown = shown_of(asked)
    choice = read_states(request.args, shown, view.snapshot.states)

    def make() -> Body:
        page = ComparisonPage(view, shown, choice)
        drawn = _map(view, page.comparison) if page.comparison else None
        return page_body(view, "planung/vergleich.html", page=page, map=drawn)

    return answer(kept(view, ("states", "page", choice and choice.query(), shown), make))


@planning.get("/vergleich/werte.json")
def compared_values() -> Response:
    """Give the differences, for the map."""
    view, comparison = _asked()

    def make() -> Body:
        content = _values_json(comparison)
        return Body(content, "application/json", view.snapshot.revision, quality=5)

    return answer(kept(view, ("states", "values", comparison.choice.query()), make))


@planning.get("/vergleich/export.<kind>")
def export_comparison(kind: str) -> Response:
    """Give table or map as a file."""
    kinds = (*get_args(TableKind), *IMAGE_KINDS)
    if kind not in kinds:
        raise NotFoundError(f"Diese Art von Datei gibt es nicht: {', '.join(kinds)}.")
    view, comparison = _asked()
    if kind in IMAGE_KINDS:
        return answer_picture(
            view,
            kind,
            lambda: difference_picture(view, _drawn(comparison)),
            key=("states", comparison.choice.query()),
            name=_file_name(comparison, "karte", kind),
        )
    make = partial(_file, view, comparison, cast("TableKind", kind))
    body = kept(view, ("states", kind, comparison.choice.query()), make)
    return _as_file(body, comparison, "", kind)


@planning.get("/vergleich/eintraege.csv")
def export_records() -> Response:
    """Give the records that changed as a file."""
    view, comparison = _asked()

    def make() -> Body:
        content = render_rows(record_rows(comparison), CHANGED_COLUMNS)
        return Body(content, MEDIA_TYPES["csv"], view.snapshot.revision, quality=4)

    body = kept(view, ("states", "records", comparison.choice.query()), make)
    return _as_file(body, comparison, "eintraege", "csv")


def _asked() -> tuple[View, StateComparison]:
    """Return the comparison that the address asks for."""
    view, asked = asked_choice()
    choice = read_states(request.args, replace(shown_of(asked), page=1), view.snapshot.states)
    if choice is None:
        raise NotFoundError("Welche Stände verglichen werden, steht nicht in der Adresse.")
    return view, _compare(view, choice)


def _compare(view: View, choice: StateChoice) -> StateComparison:
    return compare_dated(the_site().holder, view.snapshot, choice, view.today)


@dataclass(frozen=True, slots=True)
class StateLine:
    """A dated state in the list: what it is called and what it was measured with.

    `address` leads to its figures; where there is none, `why_not` says why.
    """

    slug: str
    name: str
    date: str
    revision: str
    records: str
    erased: int
    measured: str
    program: str
    address: str
    why_not: str


@dataclass(frozen=True, slots=True)
class AreaLine:
    """A row of the table: an area, its figure before and after, and what made the difference.

    `unsure` says so where the difference lies within its uncertainty, else it is empty.
    """

    key: str
    name: str
    within: str
    address: str
    shade: int
    gained: str
    lost: str
    places: tuple[str, str]
    values: tuple[Cell, Cell]
    change: Cell
    unsure: str
    parts: tuple[str, ...]
    crossed: str
    cause: str
    unknown: str


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record that changed. `address` is empty where it has no page any more."""

    name: str
    address: str
    where: str
    moved: str


class ComparisonPage:
    """What the page is made of.

    Parameters
    ----------
    view
        The present revision.
    shown
        Level, indicator and area.
    choice
        The states; None where none is chosen yet.

    Raises
    ------
    AddressError
        If the states cannot be compared.
    NotFoundError
        If the table has fewer pages.
    """

    levels = PLANNING_LEVELS
    indicators = INDICATORS
    current = CURRENT
    parts = tuple((PART_NAMES[part], meaning) for part, meaning in PART_MEANINGS.items())

    def __init__(self, view: View, shown: Choice, choice: StateChoice | None) -> None:
        self.view = view
        self.shown = shown
        self.choice = choice
        self.comparison = None if choice is None else _compare(view, choice)
        self.pages = 1
        if self.comparison is not None:
            self.pages = max(1, -(-len(self.comparison.table) // PER_PAGE))
        if shown.page > self.pages:
            raise NotFoundError(f"Die Tabelle hat nur {self.pages} Seiten.")

    @property
    def query(self) -> str:
        """Return the query string of this very page."""
        return self.choice.query() if self.choice else ""

    @property
    def file_query(self) -> str:
        """Return the query string of the same figures, whatever the page of the table."""
        return self.choice.query(page=1) if self.choice else ""

    @property
    def chosen(self) -> tuple[str, str]:
        """Return what the form has: the slugs of both states."""
        if self.choice:
            return self.choice.key
        return (self.states[0].slug if self.states else "", CURRENT)

    @cached_property
    def states(self) -> list[StateLine]:
        """Return the dated states, the newest first."""
        snapshot = self.view.snapshot
        return [_state_line(state, snapshot.territory) for state in reversed(snapshot.states)]

    @property
    def regions(self) -> list[tuple[str, str]]:
        """Return the areas that the form offers: key and name."""
        return offered_areas(area_index(self.view.snapshot.territory), self.shown.area)

    @property
    def land(self) -> str:
        """Return the name of the Land."""
        return next(iter(area_index(self.view.snapshot.territory).areas.values())).name

    @cached_property
    def rows(self) -> list[AreaLine]:
        """Return the rows of this page of the table."""
        if self.comparison is None:
            return []
        first = (self.shown.page - 1) * PER_PAGE
        chosen = self.comparison.order[first : first + PER_PAGE].tolist()
        return _area_lines(self.comparison, chosen)

    @property
    def hatch_legend(self) -> list[tuple[str, str, int]]:
        """Return name, label and number of areas of each hatching that is there."""
        if self.comparison is None:
            return []
        counts = {
            "unknown": int((self.comparison.differences.shades == 0).sum()),
            "uncertain": int(self.comparison.doubtful.sum()),
        }
        return [(name, _HATCH_LABELS[name], count) for name, count in counts.items() if count]

    @cached_property
    def records(self) -> list[tuple[str, int, list[RecordLine]]]:
        """Return the records that changed: of each kind its name, how many, and the first."""
        if self.comparison is None:
            return []
        found = ((kind, self.comparison.of_kind(kind)) for kind in KINDS)
        return [
            (
                KIND_NAMES[kind][len(records) != 1],
                len(records),
                [_record_line(self.view, record) for record in records[:PER_KIND]],
            )
            for kind, records in found
            if records
        ]

    @property
    def files(self) -> list[tuple[str, str]]:
        """Return address and label of every file."""
        kinds = {
            "xlsx": "Excel (XLSX)",
            "csv": "CSV",
            "geojson": "GeoJSON",
            "png": "Karte (PNG)",
            "svg": "Karte (SVG)",
        }
        files = [
            (url_for("planning.export_comparison", kind=kind) + self.file_query, label)
            for kind, label in kinds.items()
        ]
        records = url_for("planning.export_records") + self.file_query
        return [*files, (records, "Geänderte Einträge (CSV)")]

    def page_address(self, page: int) -> str:
        """Return the query string of another page of the table."""
        return self.choice.query(page=page) if self.choice else ""


def _state_line(state: StateSummary, territory: Territory) -> StateLine:
    why_not = describe_absence(state, territory.boundaries)
    own = None if why_not else choice_of(state)
    return StateLine(
        slug=state.slug,
        name=state.name,
        date=german_date(state.today),
        revision=german_number(state.revision),
        records=german_number(state.records),
        erased=state.erased,
        measured=describe_state(state),
        program=state.program,
        address=url_for("planning.overview") + query_string(own) if own else "",
        why_not=why_not,
    )


def _area_lines(comparison: StateComparison, chosen: list[int]) -> list[AreaLine]:
    names = ("old", "new", "change", *PARTS)
    columns = {name: cells_of(comparison, name, chosen) for name in names}
    rows = comparison.table.iloc[chosen].to_dict("records")
    return [
        AreaLine(
            key=row["key"],
            name=comparison.area(row["key"]).short_name,
            within=_within(comparison, row["key"]),
            address=_drill_address(comparison, row["key"]),
            shade=int(comparison.differences.shades[number]),
            gained=german_number(row["gained"], missing="?"),
            lost=german_number(row["lost"], missing="?"),
            places=(german_number(row["places_old"]), german_number(row["places_new"])),
            values=(columns["old"][place], columns["new"][place]),
            change=columns["change"][place],
            unsure=UNSURE if comparison.unsure[number] else "",
            parts=tuple(columns[part][place].text for part in PART_MEANINGS),
            crossed=CROSSING_NAMES.get(row["crossed"], ""),
            cause=crossing_cause(row),
            unknown=people_unknown(comparison, row),
        )
        for place, (number, row) in enumerate(zip(chosen, rows, strict=True))
    ]


def _within(comparison: StateComparison, key: str) -> str:
    """Return in what an area lies, empty right below the region."""
    known = {comparison.region.key, *comparison.region.path}
    index = area_index(comparison.snapshot.territory)
    return index.within(comparison.area(key), known=known)


def _drill_address(comparison: StateComparison, key: str) -> str:
    """Return the address of the areas in an area, or of its own page where there are none."""
    area, choice = comparison.area(key), comparison.choice
    if not can_drill(area):
        return url_for("area_pages.area", key=area.key)
    finer = FINER[choice.shown.level]
    return url_for("planning.compare_states") + choice.query(area=key, level=finer, page=1)


def _record_line(view: View, record: RecordChange) -> RecordLine:
    known = view.place(record.id) is not None
    index = area_index(view.snapshot.territory)
    keys = dict.fromkeys(key for key in (record.old_ags, record.new_ags) if key)
    towns = [index.areas[index.canonical(key) or key].name for key in keys]
    moved = record.distance_m or 0
    return RecordLine(
        name=record.name,
        address=url_for("pages.place", place_id=record.id) if known else "",
        where=" → ".join(towns),
        moved=f"Punkt um {german_distance(moved)} versetzt" if moved >= 1 else "",
    )


def _values_json(comparison: StateComparison) -> bytes:
    """Write what the map needs, in the form of `tables.values_json`."""
    shown = comparison.choice.shown
    old, new, change = (cells_of(comparison, name) for name in ("old", "new", "change"))
    shades = comparison.differences.shades.tolist()
    table = comparison.table
    needed = ["crossed", "municipalities_unknown_old", "municipalities_unknown_new"]
    rows = table[needed].to_dict("records")
    verdicts = ["", *CROSSING_NAMES.values()]
    hatches = ["", *HATCHES]
    areas = [
        [
            key,
            comparison.area(key).short_name,
            difference_with_unit(value, comparison.indicator),
            f"{_bracketed(old[number])} → {_bracketed(new[number])}",
            shades[number],
            hatches.index(_hatch(comparison, number)),
            verdicts.index(CROSSING_NAMES.get(row["crossed"], "")),
            int(shown.level in FINER and can_drill(comparison.area(key))),
            *noted(*_notes(comparison, number, row, change[number])),
        ]
        for number, (key, value, row) in enumerate(
            zip(table["key"], comparison.values("change").tolist(), rows, strict=True)
        )
    ]
    body = {
        "revision": comparison.snapshot.revision,
        "title": f"{comparison.title}: {' → '.join(comparison.labels)}",
        "hatches": hatches,
        "verdicts": verdicts,
        "words": {
            "range": "vorher → nachher:",
            "drill": "Gebiete darin zeigen",
            "area": "Orte in diesem Gebiet",
            "show": "Auf der Karte zeigen",
            "close": "Schließen",
        },
        "areas": areas,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _hatch(comparison: StateComparison, number: int) -> str:
    if comparison.differences.shades[number] == 0:
        return "unknown"
    return "uncertain" if comparison.doubtful[number] else ""


def _bracketed(cell: Cell) -> str:
    """Write a value with its range, as a part of what stands in brackets already."""
    return f"{cell.text} [{cell.below}]" if cell.below else cell.text


def _notes(
    comparison: StateComparison, number: int, row: Mapping[Any, Any], change: Cell
) -> tuple[str, ...]:
    """Say how sure the difference of an area is, if it is only better data, and who is unknown."""
    return (
        f"Unterschied in 9 von 10 Lagen: {change.below}" if change.below else "",
        UNSURE if comparison.unsure[number] else "",
        _DATA_ONLY if comparison.data_only[number] else "",
        people_unknown(comparison, row),
    )


def _map(view: View, comparison: StateComparison) -> maps.MapParts:
    """Return the difference map; within an area with the borders of its Kreis alone."""
    shown = comparison.choice.shown
    kreis = shown.area[:5] or None
    version = packed_borders(view, shown.level, kreis).tag[:10]
    drill = comparison.choice.query(area="KEY", level=FINER.get(shown.level, "gemeinde"), page=1)
    options = maps.ChoroplethOptions(
        borders_url=url_for("planning.borders", level=shown.level, kreis=kreis, v=version),
        values_url=url_for("planning.compared_values") + comparison.choice.query(page=1),
        drill_url=url_for("planning.compare_states") + drill,
        area_url=url_for("area_pages.area", key="KEY"),
        revision=view.snapshot.revision,
        bounds=page_bounds(view),
        view=comparison.region.bounds if shown.area else None,
    )
    return maps.build_choropleth_map(options)


def _drawn(comparison: StateComparison) -> DifferenceMap:
    """Return what the picture of the map shows."""
    shown, keys = comparison.choice.shown, comparison.table["key"].tolist()
    return DifferenceMap(
        title=comparison.title,
        subtitle=f"{' bis '.join(comparison.labels)}. {comparison.region.name},"
        f" {LEVEL_NAMES[shown.level][0]}",
        choice=shown,
        keys=keys,
        names=[comparison.area(key).short_name for key in keys],
        differences=comparison.differences,
        dotted=comparison.doubtful,
        dotted_label=_HATCH_LABELS["uncertain"],
        notes=[
            f"Berechnet am {german_date(comparison.today)}, Datenstand Nr."
            f" {german_number(comparison.choice.old.revision)} und"
            f" {german_number(comparison.found_revision)}",
            f"Gemessen wie „{comparison.choice.old.name}“:"
            f" {describe_state(comparison.choice.old)}; Menschen: {comparison.people}",
            *comparison.snapshot.source_notes,
        ],
    )


def _file(view: View, comparison: StateComparison, kind: TableKind) -> Body:
    table = comparison.table
    if kind == "xlsx":  # people read it
        table = table.assign(
            crossed=table["crossed"].map(CROSSING_NAMES),
            crossed_by=table["crossed_by"].map(PART_NAMES),
        )
    # Files are kept: what a visitor claims the host to be must never get into one.
    home = the_site().settings.public_url
    address = home + url_for("planning.compare_states") + comparison.choice.query()
    content = render_table(
        kind,
        table,
        comparison.file_areas,
        title=f"{TITLE}: {' → '.join(comparison.labels)}",
        columns=EXPORT_COLUMNS,
        parameters=comparison.file_parameters(address),
        source_notes=view.snapshot.source_notes,
        revision=view.snapshot.revision,
        today=view.today,
    )
    return Body(content, MEDIA_TYPES[kind], view.snapshot.revision, quality=4)


def _as_file(body: Body, comparison: StateComparison, what: str, kind: str) -> Response:
    response = answer(body)
    name = _file_name(comparison, what, kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _file_name(comparison: StateComparison, what: str, kind: str) -> str:
    """Return a name that says what the file holds, in plain letters."""
    shown = comparison.choice.shown
    parts = [
        "vergleich",
        what,
        *comparison.choice.key,
        shown.indicator_name if what == "karte" else "",
        "" if what == "eintraege" else shown.level,
        slug(comparison.region.name) if shown.area else "",
        comparison.today.isoformat(),
    ]
    name = "-".join(part for part in parts if part).encode("ascii", "ignore").decode()[:120]
    return f"{name}.{kind}"
