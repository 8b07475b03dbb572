"""Two dated states beside each other: the table, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from geo_service.changes import CROSSING_NAMES, KINDS, PART_NAMES, PARTS, RANGED
from geo_service.coverage import METHOD
from geo_service.errors import NotFoundError
from geo_service.formats import NOISE, german_date, german_number, number_text, percent_text
from geo_service.schema import KEY_COLUMN, check_areas
from geo_service.snapshot import compare, parameters_of
from geo_service.web.planning.differences import (
    Differences,
    between_differences,
    difference_range,
    difference_text,
    difference_unit,
    differences_of,
)
from geo_service.web.planning.figures import (
    UNKNOWN,
    area_index,
    between_text,
    range_text,
    territory_key,
    towns_inside,
    value_text,
)
from geo_service.web.planning.query import (
    INDICATORS,
    LEVEL_OF_LENGTH,
    plain_number,
)
from geo_service.web.planning.state_choice import (
    StateChoice,
    describe_loss,
    describe_state,
    were_erased,
)
from geo_service.web.planning.summary import listed, region_phrase, unknown_note
from geo_service.web.planning.tables import Cell
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from geo_service.changes import Changes, Kind, RecordChange
    from geo_service.coverage import CoverageParameters
    from geo_service.schema import Areas
    from geo_service.snapshot import Snapshot, SnapshotHolder
    from geo_service.store import StateSummary
    from geo_service.web.areas import Area
    from geo_service.web.planning.query import Indicator

    Floats = NDArray[np.float64]

__all__ = [
    "LAYOUTS",
    "PART_MEANINGS",
    "RANGED_PARTS",
    "UNSURE",
    "StateComparison",
    "cells_of",
    "compare_dated",
    "crossing_cause",
    "people_unknown",
]

UNSURE: Final = "innerhalb der Unsicherheit"
"""What is said of a difference within whose range there is none at all."""

LAYOUTS: Final = "9 von 10 durchgerechneten Lagen der nur grob verorteten Orte"
"""What a range is of."""

RANGED_PARTS: Final = ("old", "new", "change")
"""What has a range, of the parts of an indicator."""

_NAMED: Final = 5


def compare_dated(
    holder: SnapshotHolder, snapshot: Snapshot, choice: StateChoice, today: dt.date
) -> StateComparison:
    """Compare two states, once per revision and day.

    Raises
    ------
    AddressError
        If they are of other boundaries or other people, or one is gone by now.
    """
    _check_comparable(choice, snapshot)

    def make() -> Changes:
        old = holder.read_state(snapshot, choice.old.slug)
        new = holder.read_state(snapshot, choice.new.slug) if choice.new else snapshot
        return compare(old, new, today=today, territory=snapshot.territory)

    try:
        found = snapshot.derive(("states compared", *choice.key, today), make)
    except NotFoundError:
        raise AddressError("von", "Diesen Stand gibt es nicht mehr.") from None
    return StateComparison(choice, snapshot, found, today)


def _check_comparable(choice: StateChoice, snapshot: Snapshot) -> None:
    """Refuse what would compare different things."""
    states = [choice.old, choice.new] if choice.new else [choice.old]
    for name, state in zip(("von", "bis"), states, strict=False):
        if state.boundaries != snapshot.territory.boundaries:
            date = state.boundaries.get("territorial_date", "")
            raise AddressError(
                name,
                f"„{state.name}“ ist in anderen Grenzen gemessen"
                f" (Gebietsstand {german_date(date or None, missing='unbekannt')}). Hier werden nur"
                " Stände in den heutigen Grenzen verglichen; die veröffentlichten Zahlen"
                " vergleicht „geo-service changes“.",
            )
    if choice.new and choice.new.people != choice.old.people:
        people = [one.people or "alle Menschen" for one in (choice.old, choice.new)]
        raise AddressError(
            "bis",
            f"„{choice.old.name}“ zählt andere Menschen ({people[0]}) als „{choice.new.name}“"
            f" ({people[1]}). Ein Unterschied wäre keiner der Orte.",
        )


@dataclass(frozen=True, eq=False)
class StateComparison:
    """What became of one state until another: a row per area, and a list of records."""

    choice: StateChoice
    snapshot: Snapshot
    found: Changes
    today: dt.date

    @property
    def indicator(self) -> Indicator:
        """Return what the areas are compared by."""
        return self.choice.shown.indicator

    @property
    def parameters(self) -> CoverageParameters:
        """Return what both states are measured with: those of the first."""
        return parameters_of(self.choice.old)

    @property
    def radius(self) -> str:
        """Return the radius in kilometres."""
        return plain_number(self.parameters.radius_m / 1000)

    @property
    def title(self) -> str:
        """Name the indicator with its unit and radius."""
        return self.indicator.title(self.parameters.radius_m / 1000, named=self.named)

    @property
    def named(self) -> bool:
        """Whether others than the population are counted."""
        return bool(self.choice.old.people)

    @property
    def unit(self) -> str:
        """Return what differences are counted in."""
        return difference_unit(self.indicator)

    @property
    def labels(self) -> tuple[str, str]:
        """Name both states with their days."""
        old, new = self.choice.old, self.choice.new
        said = f"„{old.name}“ ({german_date(old.today)})"
        if new is None:
            return said, f"heute ({german_date(self.today)})"
        return said, f"„{new.name}“ ({german_date(new.today)})"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Return the rows of the areas shown, sorted by key; columns as in `Changes.areas`."""
        table = self.found.areas[self.choice.shown.level]
        if not self.choice.shown.area:
            return table
        return table[table["key"].isin(self._inside())].reset_index(drop=True)

    def _inside(self) -> set[str]:
        shown = self.choice.shown
        return set(towns_inside(self.snapshot.territory, shown.area)[KEY_COLUMN[shown.level]])

    @cached_property
    def whole(self) -> pd.Series:
        """Return the row of the Land, or of the area that the areas lie in."""
        key = self.choice.shown.area or territory_key(self.snapshot.territory)
        table = self.found.areas[LEVEL_OF_LENGTH[len(key)]]
        return table[table["key"] == key].iloc[0]

    @property
    def region(self) -> Area:
        """Return the Land, or the area that the areas lie in."""
        return self.area(self.choice.shown.area or territory_key(self.snapshot.territory))

    def area(self, key: str) -> Area:
        """Return the area that a key of any level means."""
        index = area_index(self.snapshot.territory)
        return index.areas[index.canonical(key) or key]

    def values(self, name: str) -> Floats:
        """Return a column of the indicator (``old``, ``change``, …) in the indicator's unit."""
        raw = self.table[f"{self.indicator.column}_{name}"].to_numpy(np.float64, na_value=np.nan)
        return np.asarray(raw * self.indicator.scale, dtype=np.float64)

    @cached_property
    def differences(self) -> Differences:
        """Return the differences in the classes of the map."""
        return differences_of(self.values("change"), self.indicator)

    @cached_property
    def data_only(self) -> NDArray[np.bool_]:
        """Return which areas differ although nothing changed there: all of it is data or rest."""
        real = differences_of(self.values("real"), self.indicator).shades
        shades = self.differences.shades
        return np.asarray((shades != 0) & (shades != _SAME) & (real == _SAME), dtype=bool)

    @property
    def has_ranges(self) -> bool:
        """Whether roughly located places make the indicator uncertain."""
        return self.indicator.column in RANGED

    @cached_property
    def unsure(self) -> NDArray[np.bool_]:
        """Return which areas differ, but with no difference at all within the range of it."""
        if not self.has_ranges:
            return np.zeros(len(self.table), dtype=bool)
        found = self.table[f"{self.indicator.column}_unsure"].to_numpy(bool, na_value=False)
        return found & ~np.isin(self.differences.shades, (0, _SAME))

    @cached_property
    def doubtful(self) -> NDArray[np.bool_]:
        """Return which areas differ without a sure change on the spot: they are dotted."""
        return self.data_only | self.unsure

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Return the row numbers: crossed the threshold first, then the largest differences."""
        change = np.abs(self.values("change"))
        places = self.table[["gained", "lost"]].fillna(0).sum(axis=1).to_numpy(np.float64)
        change = np.where(np.isfinite(change), change, -1.0)
        return np.lexsort((-places, -change, self.table["crossed"].isna()))

    @cached_property
    def changed(self) -> int:
        """Return how many areas have another figure, other places or crossed the threshold."""
        moved = self.table[["gained", "lost"]].fillna(0).sum(axis=1) > 0
        other = ~np.isin(self.differences.shades, (0, _SAME))
        return int((other | moved.to_numpy(bool) | self.table["crossed"].notna()).sum())

    @cached_property
    def records(self) -> tuple[RecordChange, ...]:
        """Return the records that changed; within an area, those that lie or lay in it."""
        if not self.choice.shown.area:
            return self.found.records
        inside = set(towns_inside(self.snapshot.territory, self.choice.shown.area)["ags"])
        return tuple(one for one in self.found.records if inside & {one.old_ags, one.new_ags})

    def of_kind(self, kind: Kind) -> list[RecordChange]:
        """Return the records that changed in this way."""
        return [record for record in self.records if kind in record.kinds]

    @cached_property
    def summary(self) -> tuple[str, ...]:
        """Say in sentences what changed: the records, the people, the threshold."""
        people = " ".join(filter(None, (self._say_people(), self._say_range())))
        said = (self._say_records(), people, self._say_unsure(), self._say_threshold())
        return tuple(filter(None, said))

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """Say what a reader must know to compare rightly."""
        return tuple(self._notices())

    def _say_records(self) -> str:
        old, new = self.labels
        counts = {kind: len(self.of_kind(kind)) for kind in KINDS}
        said = [
            f"{german_number(counts[kind])} {words[counts[kind] != 1]}"
            for kind, words in _REAL_WORDS.items()
            if counts[kind]
        ]
        better = [record for record in self.records if not record.real]
        where = f" {region_phrase(self.region)}" if self.choice.shown.area else ""
        head = f"Zwischen {old} und {new}"
        if not self.records:
            return f"{head} hat sich{where} kein Eintrag verändert."
        real = (
            f"{head} gibt es{where} {listed(said)}."
            if said
            else (f"{head} ist{where} kein Ort hinzugekommen, weggefallen oder umgezogen.")
        )
        if not better:
            return real
        kinds = [
            f"{german_number(count)} {_BETTER_WORDS[kind]}"
            for kind in KINDS
            if kind in _BETTER_WORDS and (count := sum(kind in record.kinds for record in better))
        ]
        noun = "weiterer Eintrag ist" if len(better) == 1 else "weitere Einträge sind"
        return f"{real} {german_number(len(better))} {noun} nur besser bekannt: {listed(kinds)}."

    def _say_people(self) -> str:
        row = self.whole
        change = row["people_reached_change"]
        shares = [percent_text(row[f"share_reached_{side}"]) for side in ("old", "new")]
        if change != change or not all(shares):
            return ""
        number = number_text(abs(change))
        within = f"einen Ort im Umkreis von {self.radius} Kilometern (Luftlinie)"
        where = region_phrase(self.region)
        where = where[0].upper() + where[1:]
        count = german_number(row["places_new"])
        counted = "ist 1 Ort" if count == "1" else f"sind {count} Orte"
        places = f"Gezählt {counted}, vorher {german_number(row['places_old'])}."
        if abs(change) < NOISE:
            share = " statt ".join(dict.fromkeys(reversed(shares)))
            return f"{where} haben so viele Menschen {within} wie vorher ({share}). {places}"
        more = "mehr" if change > 0 else "weniger"
        have = "hat 1 Mensch" if number == "1" else f"haben {number} Menschen"
        said = f"{where} {have} {more} {within}: {shares[1]} statt {shares[0]}."
        return " ".join(filter(None, (said, _say_parts(row), places)))

    def _say_range(self) -> str:
        """Say how sure the difference in the people reached is; nothing where nothing is rough."""
        row = self.whole
        low, change, high = (row[f"people_reached_change{end}"] for end in ("_low", "", "_high"))
        between = difference_range(low, high, change, INDICATORS["ausserhalb"])
        now, then = (_share_range(row, side) for side in ("new", "old"))
        if not between or not now or not then:
            return ""
        end = f": Der Unterschied liegt {UNSURE}." if row["people_reached_unsure"] else "."
        return f"In {LAYOUTS} sind es {between} ({now} statt {then}){end}"

    def _say_unsure(self) -> str:
        """Say in how many areas the difference of the indicator is not sure."""
        if not self.has_ranges:
            return ""
        differ = int((~np.isin(self.differences.shades, (0, _SAME))).sum())
        count = int(self.unsure.sum())
        if not differ:
            return ""
        if differ == 1:
            head = f"{self.title}: Im einzigen Gebiet mit anderem Wert liegt der Unterschied"
            text = f"{head} {'' if count else 'nicht '}{UNSURE}"
        else:
            many = {0: "keinem", 1: "einem"}.get(count, german_number(count))
            head = f"{self.title}: Von den {german_number(differ)} Gebieten mit anderem Wert"
            text = f"{head} liegt bei {many} der Unterschied {UNSURE}"
        if not count:
            return f"{text}."
        turned = " oder einen in die andere Richtung" if self._may_turn() else ""
        return (
            f"{text}: Je nachdem, wo die nur grob verorteten Orte liegen, gibt es dort auch gar"
            f" keinen{turned}."
        )

    def _may_turn(self) -> bool:
        """Say whether an unsure difference may be one in the other direction."""
        low, high = (self.table[f"{self.indicator.column}_change_{end}"] for end in ("low", "high"))
        return bool((self.unsure & (low < -NOISE) & (high > NOISE)).any())

    def _say_threshold(self) -> str:
        crossed = self.table[self.table["crossed"].notna()]
        total = german_number(len(self.table))
        if crossed.empty and len(self.table) == 1:
            return "Das Gebiet hat die Schwelle zur Lücke nicht überschritten."
        if crossed.empty:
            return f"Keines der {total} Gebiete hat die Schwelle zur Lücke überschritten."
        verb = "hat" if len(crossed) == 1 else "haben"
        subject = f"{german_number(len(crossed))} von {total} Gebieten"
        subject = "Das Gebiet" if len(self.table) == 1 else subject
        said = [
            f"{CROSSING_NAMES[way]}: {self._named(crossed[crossed['crossed'] == way])}"
            for way in CROSSING_NAMES
            if (crossed["crossed"] == way).any()
        ]
        both = crossed[["judgement_old", "judgement_new"]]
        unsure = (
            " „Unsicher“ heißt: Es hängt davon ab, wo die nur grob verorteten Orte liegen."
            if bool((both == "uncertain").to_numpy().any())
            else ""
        )
        return f"{subject} {verb} die Schwelle zur Lücke überschritten; {'; '.join(said)}.{unsure}"

    def _named(self, rows: pd.DataFrame) -> str:
        names = [
            f"{self.area(row['key']).name.removesuffix(' (Stadt)')} ({crossing_cause(row)})"
            for row in rows.to_dict("records")
        ]
        rest = len(names) - _NAMED
        return listed(names if rest <= 1 else [*names[:_NAMED], f"{german_number(rest)} weitere"])

    def _notices(self) -> list[str]:
        old, new = self.choice.old, self.choice.new
        said = []
        if new is not None and parameters_of(new) != self.parameters:
            said.append(
                f"„{new.name}“ wurde anders gemessen ({describe_state(new)}). Für den Vergleich"
                f" ist er hier neu gemessen wie „{old.name}“."
            )
        anew = self.found.measured_anew
        dated = [(old, "old" in anew), *([(new, "new" in anew)] if new else [])]
        methods = {METHOD, *(state.method for state, again in dated if not again)}
        if len(methods) > 1:
            said.append(
                "Die Methode hat sich seither geändert. Der Unterschied, der davon kommt, steht"
                " unter „Übriges“."
            )
        said += filter(None, (_describe_loss(state, anew=again) for state, again in dated))
        if new is None and old.people and not self._people_are_loaded:
            said.append(
                f"Der Bedarf „{old.people}“ ist nicht mehr geladen; heute wird mit den Menschen von"
                " damals gemessen."
            )
        return said

    @property
    def _people_are_loaded(self) -> bool:
        return self.choice.old.people in {one.name for one in self.snapshot.demands}

    def file_parameters(self, address: str) -> dict[str, str]:
        """Return label and value of everything that the figures depend on."""
        old, new = self.labels
        return {
            "Verglichen": f"{old} mit {new}",
            "Datenstand von": f"Nr. {german_number(self.choice.old.revision)}",
            "Datenstand bis": f"Nr. {german_number(self.found_revision)}",
            "Gebiet": self.region.name,
            "Menschen": self.people,
            **self.parameters.describe(),
            **{f"Teil „{PART_NAMES[part]}“": PART_MEANINGS[part] for part in PARTS},
            **({"Hinweise": " ".join(self.notices)} if self.notices else {}),
            "Derselbe Vergleich im Internet": address,
        }

    @property
    def people(self) -> str:
        """Say whose people both states count."""
        return self.choice.old.people or "alle Menschen"

    @property
    def found_revision(self) -> int:
        """Return the revision of the second state."""
        return self.choice.new.revision if self.choice.new else self.snapshot.revision

    @property
    def file_areas(self) -> Areas:
        """Return the areas of the table, with their full borders."""
        areas = self.snapshot.areas[self.choice.shown.level]
        return check_areas(areas[areas["key"].isin(self.table["key"])].reset_index(drop=True))


_SAME: Final = 3
PART_MEANINGS: Final[Mapping[str, str]] = {
    "real": "neue, weggefallene und umgezogene Orte",
    "data": "dieselben Orte, genauer verortet, neu bestätigt oder anders eingeordnet",
    "rest": (
        "andere Zahlen der Menschen, der Lauf der Zeit (Einträge veralten), gelöschte Einträge,"
        " eine andere Methode"
    ),
}
"""What each part of a difference is."""

_PART_PHRASES: Final = {
    "real": "Veränderungen vor Ort",
    "data": "besseren Daten",
    "rest": "Übrigem",
}
_REAL_WORDS: Final[Mapping[Kind, tuple[str, str]]] = {
    "added": ("neuen Ort", "neue Orte"),
    "gone": ("weggefallenen Ort", "weggefallene Orte"),
    "moved": ("umgezogenen Ort", "umgezogene Orte"),
}
_BETTER_WORDS: Final[Mapping[Kind, str]] = {
    "better_coordinate": "mit genauerem Punkt",
    "rougher_coordinate": "mit ungenauerem Punkt",
    "confirmed": "neu bestätigt",
    "recategorised": "anders eingeordnet",
    "reworded": "anders beschrieben",
}


def _share_range(row: pd.Series, side: str) -> str:
    """Write the range of the share of people reached; the one figure where both ends read alike."""
    share = INDICATORS["anteil"]
    low, high = (100 * row[f"share_reached_{side}_{end}"] for end in ("low", "high"))
    least = value_text(low, share, missing="")
    return range_text(low, high, least, share) or least


def _describe_loss(state: StateSummary, *, anew: bool) -> str:
    """Say what was erased from a state, and whether its figures are those published."""
    if anew:
        return describe_loss(state, by_name=True)
    if not state.erased:
        return ""
    return (
        f"Aus „{state.name}“ {were_erased(state.erased)} gelöscht. Die Zahlen stehen, wie sie"
        " veröffentlicht wurden."
    )


def _say_parts(row: pd.Series) -> str:
    """Say what made the difference in the people reached; nothing where every part reads 0."""
    texts = {
        phrase: difference_text(row[f"people_reached_{part}"], INDICATORS["ausserhalb"])
        for part, phrase in _PART_PHRASES.items()
    }
    there = {phrase: text for phrase, text in texts.items() if text != "0"}
    if not there:
        return ""
    if len(there) == 1:
        return f"Das kommt allein von {next(iter(there))}."
    said = [
        f"{text if text[0] in '+−' else f'eine {text}'} von {phrase}"
        for phrase, text in there.items()
    ]
    return f"Davon kommen {listed(said)}."


def people_unknown(comparison: StateComparison, row: Mapping[Any, Any]) -> str:
    """Say in how many municipalities of an area the people are unknown, then or now."""
    counts = (row[f"municipalities_unknown_{side}"] for side in ("old", "new"))
    most = max((int(count) for count in counts if not pd.isna(count)), default=0)
    return unknown_note(most, comparison.choice.shown.level)


def crossing_cause(row: Mapping[Any, Any]) -> str:
    """Say what made an area cross the threshold, and whether that is sure."""
    part = row["crossed_by"]
    sure = "uncertain" not in {row["judgement_old"], row["judgement_new"]}
    cause = PART_NAMES[part] if isinstance(part, str) else "Ursache unbekannt"
    return cause if sure else f"{cause}; unsicher"


def cells_of(
    comparison: StateComparison, name: str, rows: Sequence[int] | None = None
) -> list[Cell]:
    """Write a column of the indicator: values with their unit, differences with their sign.

    Below stands the range, where there is one. `rows` are the numbers of those wanted.
    """
    indicator, is_value = comparison.indicator, name in {"old", "new"}
    write = lru_cache(maxsize=None)(
        partial(value_text if is_value else difference_text, indicator=indicator, missing="")
    )

    def written(column: str) -> list[str]:
        values = comparison.values(column)
        return [write(value) for value in (values if rows is None else values[rows]).tolist()]

    texts = written(name)
    if not comparison.has_ranges or name not in RANGED_PARTS:
        return [Cell(text or UNKNOWN) for text in texts]
    ends = zip(written(f"{name}_low"), written(f"{name}_high"), texts, strict=True)
    between = partial(between_text, indicator=indicator) if is_value else between_differences
    ranges = [between(*three) for three in ends]
    return [
        Cell(text or UNKNOWN, below, possible=True)
        for text, below in zip(texts, ranges, strict=True)
    ]
