"""What planners choose, and its form in an address: one reader, one writer (docs/planning.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import quote, urlencode

from geo_service.classification import METHODS, Method
from geo_service.coverage import CoverageParameters
from geo_service.formats import german_number
from geo_service.names import latin_digits
from geo_service.scenarios import (
    Scenario,
    ScenarioError,
    read_scenario,
    scenario_pairs,
)
from geo_service.schema import CATEGORIES, CATEGORY_GROUPS, THEMES, Level, Precision
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from werkzeug.datastructures import MultiDict

__all__ = [
    "COLUMNS",
    "CONTROL",
    "DECIMAL",
    "FINER",
    "INDICATORS",
    "LEVEL_OF_LENGTH",
    "NO_SCENARIO",
    "PLANNING_LEVELS",
    "PRECISION_NAMES",
    "Choice",
    "Column",
    "Indicator",
    "query_pairs",
    "query_string",
    "read_choice",
    "read_listed",
    "read_pair",
    "read_single",
    "read_whole",
    "refuse",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table that can be sorted by.

    `name` is what addresses call it, `column` is that of `schema.COVERAGE_COLUMNS`.
    `descending` is the order it is first sorted in.
    """

    name: str
    column: str
    label: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Indicator(Column):
    """What areas are compared by.

    A value of the table times `scale` is in `unit`, shown with `decimals`. `low` and `high`
    are the columns of its range, empty where the place of a point does not matter. `need`
    says whether few or much of it means need. `full` names it with its unit, for legends;
    ``{km}`` is the radius.
    """

    low: str = ""
    high: str = ""
    unit: str = ""
    scale: float = 1.0
    decimals: int = 0
    need: Literal["low", "high"] = "low"
    full: str = ""

    def title(self, radius_km: float, *, named: bool) -> str:
        """Name it with its unit and radius; `named`: of other people than the population."""
        return self._of(named).replace("{km}", plain_number(radius_km))

    def choice(self, *, named: bool) -> str:
        """Name it in a list to choose from, without the radius; `named` as for `title`."""
        full = self._of(named)
        return full.replace(" im Umkreis von {km} km", " im Umkreis").replace(", {km} km", "")

    def _of(self, named: bool) -> str:
        return self.full.replace("Einwohnerinnen und Einwohner", "Menschen") if named else self.full


INDICATORS: Final[Mapping[str, Indicator]] = {
    one.name: one
    for one in (
        Indicator("anzahl", "places", "Orte", full="Zahl der Orte"),
        Indicator(
            "je10000",
            "places_per_10k",
            "Orte je 10.000",
            decimals=1,
            full="Orte je 10.000 Einwohnerinnen und Einwohner",
        ),
        Indicator(
            "anteil",
            "share_reached",
            "Erreicht",
            low="share_low",
            high="share_high",
            unit="%",
            scale=100.0,
            full="Anteil der Menschen mit einem Ort im Umkreis von {km} km",
        ),
        Indicator(
            "ausserhalb",
            "people_beyond",
            "Menschen außerhalb",
            descending=True,
            low="beyond_low",
            high="beyond_high",
            need="high",
            full="Menschen ohne einen Ort im Umkreis von {km} km",
        ),
        Indicator(
            "entfernung",
            "nearest_mean_m",
            "Entfernung",
            descending=True,
            low="nearest_mean_low_m",
            high="nearest_mean_high_m",
            unit="km",
            scale=0.001,
            decimals=1,
            need="high",
            full="Mittlere Entfernung zum nächsten Ort, Luftlinie",
        ),
        Indicator(
            "e2sfca",
            "e2sfca",
            "E2SFCA",
            low="e2sfca_low",
            high="e2sfca_high",
            decimals=2,
            full="Erreichbare Orte je 10.000 Menschen (E2SFCA, {km} km)",
        ),
    )
}
"""The indicators by the name that addresses call them, in the order of the table."""

COLUMNS: Final[Mapping[str, Column]] = {
    one.name: one
    for one in (
        Column("name", "name", "Gebiet"),
        Column("einwohner", "population", "Einwohner", descending=True),
        *INDICATORS.values(),
        Column("urteil", "judgement", "Urteil"),
        Column("grob", "rough", "grob verortet", descending=True),
        Column("veraltet", "stale", "veraltet", descending=True),
        Column("undatiert", "undated", "undatiert", descending=True),
    )
}
"""What the table can be sorted by."""

PLANNING_LEVELS: Final[Mapping[Level, str]] = {
    "kreis": "Landkreise und kreisfreie Städte",
    "verbandsgemeinde": "Verbandsgemeinden",
    "gemeinde": "Gemeinden",
}
"""The levels that can be chosen, the coarsest first."""

FINER: Final[Mapping[Level, Level]] = {"kreis": "verbandsgemeinde", "verbandsgemeinde": "gemeinde"}
"""The level that the areas in an area are shown at."""

LEVEL_OF_LENGTH: Final[Mapping[int, Level]] = {
    2: "land",
    5: "kreis",
    9: "verbandsgemeinde",
    8: "gemeinde",
}
"""The level that a key of so many digits belongs to."""

PRECISION_NAMES: Final[Mapping[str, tuple[Precision | None, str]]] = {
    "gemeinde": (None, "alle, auch nur der Gemeinde nach bekannte"),
    "ort": ("locality", "mindestens Ortsteil"),
    "plz": ("postcode", "mindestens Postleitzahl"),
    "strasse": ("street", "mindestens Straße"),
    "adresse": ("address", "nur genaue Adresse"),
}
"""What addresses call the least precision, the least strict first."""

NO_SCENARIO: Final = Scenario()
"""The places as they are."""

_ORDER: Final = {"ab": True, "auf": False}
_MAX_CHOICES: Final = 20
_MAX_SHOWN: Final = 60
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that are no text."""

DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{1,6})?", re.ASCII)
"""A number as people type it, with a comma or a point."""

_WHOLE: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a planner looks at; equal choices have equal figures and equal addresses.

    `area` is the key of the Kreis or Verbandsgemeinde that the areas lie in, empty for the
    Land; `demand` names a loaded demand, empty for the population. `breaks` are own class
    breaks, rising, in the indicator's unit. An empty `sort` is the indicator, need first.
    `scenario` is what would be different from today. `state` names the dated state whose
    records and people are measured, empty for the present.
    """

    level: Level = "verbandsgemeinde"
    indicator_name: str = "anteil"
    radius_km: float = 5.0
    kinds: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    precision: Precision | None = None
    current_months: int | None = None
    area: str = ""
    demand: str = ""
    method: Method = "natuerlich"
    classes: int = 5
    breaks: tuple[float, ...] = ()
    sort: str = ""
    descending: bool | None = None
    page: int = 1
    scenario: Scenario = NO_SCENARIO
    state: str = ""

    @property
    def indicator(self) -> Indicator:
        """Return what the map shows."""
        return INDICATORS[self.indicator_name]

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the chosen categories, those of chosen groups included."""
        chosen = {name for kind in self.kinds for name in CATEGORY_GROUPS.get(kind, (kind,))}
        return tuple(name for name in CATEGORIES if name in chosen)

    @property
    def parameters(self) -> CoverageParameters:
        """Return what coverage is measured with."""
        return CoverageParameters(
            radius_m=round(self.radius_km * 1000, 3),
            categories=self.categories,
            themes=self.themes,
            minimum_precision=self.precision,
            current_within_months=self.current_months,
        )

    @property
    def precision_name(self) -> str:
        """Return what addresses call the least precision."""
        return next((n for n, (v, _) in PRECISION_NAMES.items() if v == self.precision), "gemeinde")

    @property
    def sort_column(self) -> Column:
        """Return what the table is sorted by."""
        return COLUMNS[self.sort or self.indicator_name]

    @property
    def is_descending(self) -> bool:
        """Whether the largest come first."""
        return self.sort_column.descending if self.descending is None else self.descending

    @property
    def measured(self) -> Choice:
        """Return the choice without what only arranges the table: same figures, same map."""
        return replace(self, sort="", descending=None, page=1)

    @property
    def kept(self) -> bool:
        """Whether what it comes to may be kept; there is no end of scenarios."""
        return self.scenario == NO_SCENARIO

    @property
    def today(self) -> Choice:
        """Return the same choice of the places as they are."""
        return replace(self, scenario=NO_SCENARIO, state="")

    @property
    def filtered(self) -> bool:
        """Whether some places may not count."""
        return bool(self.kinds or self.themes or self.precision or self.current_months)


def read_choice(
    args: MultiDict[str, str],
    *,
    areas: Collection[str],
    demands: Collection[str] = (),
    states: Collection[str] = (),
) -> Choice:
    """Read a choice; empty counts as not given, and what is not listed is ignored.

    Parameters
    ----------
    args
        The parameters of the request.
    areas
        The keys of all Kreise and Verbandsgemeinden (more do no harm).
    demands, states
        The names of the loaded demands and of the dated states.

    Raises
    ------
    AddressError
        If a parameter is given too often or cannot be meant; the message names it, what was
        expected and what came.
    """
    precision = read_listed(args, "genauigkeit", PRECISION_NAMES, "gemeinde")
    breaks = _read_breaks(args)
    method = cast(
        "Method", read_listed(args, "klassen", METHODS, "eigene" if breaks else "natuerlich")
    )
    if method == "eigene" and not breaks:
        raise refuse("grenzen", "für eigene Klassen ein bis vier Grenzen wie 10;20;50", "")
    choice = Choice(
        level=cast("Level", read_listed(args, "ebene", PLANNING_LEVELS, "verbandsgemeinde")),
        indicator_name=read_listed(args, "kennzahl", INDICATORS, "anteil"),
        radius_km=_read_radius(args),
        kinds=_several(args, "art", (*CATEGORY_GROUPS, *CATEGORIES)),
        themes=_several(args, "thema", THEMES),
        precision=PRECISION_NAMES[precision][0],
        current_months=read_whole(args, "aktuell", 1, 1200, "Monate"),
        area=_read_area(args, areas),
        demand=read_listed(args, "bedarf", demands, ""),
        method=method,
        classes=read_whole(args, "stufen", 2, 5, "Klassen") or 5,
        breaks=breaks if method == "eigene" else (),
        page=read_whole(args, "seite", 1, 99_999, "") or 1,
        scenario=_read_scenario(args),
        state=read_listed(args, "stand", states, ""),
    )
    if choice.state and (choice.demand or not choice.kept):
        raise refuse("stand", "keiner neben „bedarf“ oder einem Szenario", choice.state)
    if len(choice.area) == 9 and choice.level == "kreis":
        raise refuse("ebene", "innerhalb einer Verbandsgemeinde gemeinde", choice.level)
    return _normal(_sorted_as(choice, args))


def read_pair(args: MultiDict[str, str], *, areas: Collection[str]) -> tuple[str, str]:
    """Read the keys of the two areas to compare.

    Raises
    ------
    AddressError
        If there are not two different ones.
    """
    keys = _several(args, "gebiet", areas)
    if len(keys) != 2:
        raise refuse("gebiet", "zwei verschiedene Gebiete", ", ".join(keys))
    return keys[0], keys[1]


def query_pairs(choice: Choice) -> list[tuple[str, str]]:
    """Return the parameters of a choice in a fixed order, defaults left out."""
    usual = Choice()
    order = next((name for name, down in _ORDER.items() if down is choice.descending), "")
    pairs = [
        ("ebene", choice.level if choice.level != usual.level else ""),
        ("kennzahl", choice.indicator_name if choice.indicator_name != "anteil" else ""),
        ("umkreis", plain_number(choice.radius_km) if choice.radius_km != usual.radius_km else ""),
        *(("art", kind) for kind in choice.kinds),
        *(("thema", theme) for theme in choice.themes),
        ("genauigkeit", choice.precision_name if choice.precision else ""),
        ("aktuell", str(choice.current_months or "")),
        ("gebiet", choice.area),
        ("bedarf", choice.demand),
        ("stand", choice.state),
        ("klassen", choice.method if choice.method not in {"natuerlich", "eigene"} else ""),
        ("stufen", str(choice.classes) if choice.classes != usual.classes else ""),
        ("grenzen", ";".join(map(plain_number, choice.breaks))),
        ("sortierung", choice.sort),
        ("richtung", order),
        ("seite", str(choice.page) if choice.page > 1 else ""),
        *scenario_pairs(choice.scenario),
    ]
    return [(name, value) for name, value in pairs if value]


def query_string(choice: Choice, **changes: Any) -> str:
    """Return the query string of a choice: always the same text for the same choice.

    >>> query_string(Choice(level="gemeinde", radius_km=2.5), area="07131")
    '?ebene=gemeinde&umkreis=2,5&gebiet=07131'
    """
    pairs = query_pairs(_normal(replace(choice, **changes)))
    return f"?{urlencode(pairs, quote_via=quote, safe=',;/*')}" if pairs else ""


def plain_number(value: float) -> str:
    """Return a number as people type it: a decimal comma, no more digits than needed.

    >>> plain_number(2.5), plain_number(10.0)
    ('2,5', '10')
    """
    text = german_number(value, 6).replace(".", "")
    return text.rstrip("0").rstrip(",")


def _normal(choice: Choice) -> Choice:
    """Leave out what says nothing: a number of classes beside own breaks, the usual order."""
    classes = Choice().classes if choice.breaks else choice.classes
    sort = "" if choice.sort == choice.indicator_name else choice.sort
    usual = COLUMNS[sort or choice.indicator_name].descending
    descending = None if choice.descending == usual else choice.descending
    method: Method = "eigene" if choice.breaks else choice.method
    return replace(choice, classes=classes, sort=sort, descending=descending, method=method)


def _sorted_as(choice: Choice, args: MultiDict[str, str]) -> Choice:
    order = read_listed(args, "richtung", _ORDER, "")
    return replace(
        choice,
        sort=read_listed(args, "sortierung", COLUMNS, ""),
        descending=_ORDER[order] if order else None,
    )


def _read_scenario(args: MultiDict[str, str]) -> Scenario:
    try:
        return read_scenario(
            added=args.getlist("neu"),
            moved=args.getlist("verlegt"),
            removed=args.getlist("ohne"),
            title=args.get("titel", ""),
        )
    except ScenarioError as error:
        raise AddressError(error.parameter, str(error)) from error


def _read_area(args: MultiDict[str, str], areas: Collection[str]) -> str:
    key = read_single(args, "gebiet")
    if key and (key not in areas or len(key) not in {5, 9}):
        raise refuse("gebiet", "der Schlüssel eines Kreises oder einer Verbandsgemeinde", key)
    return key


def _read_radius(args: MultiDict[str, str]) -> float:
    text = read_single(args, "umkreis")
    if not text:
        return Choice().radius_km
    if DECIMAL.fullmatch(text) and 0.1 <= float(text.replace(",", ".")) <= 100:
        return float(text.replace(",", "."))
    raise refuse("umkreis", "eine Zahl von 0,1 bis 100 (Kilometer)", text)


def _read_breaks(args: MultiDict[str, str]) -> tuple[float, ...]:
    text = read_single(args, "grenzen")
    if not text:
        return ()
    parts = [part.strip() for part in text.split(";")]
    expected = "ein bis vier aufsteigende Zahlen, mit Semikolon getrennt, wie 10;20;50"
    if len(parts) > 4 or not all(map(DECIMAL.fullmatch, parts)):
        raise refuse("grenzen", expected, text)
    breaks = tuple(float(part.replace(",", ".")) for part in parts)
    if list(breaks) != sorted(set(breaks)):
        raise refuse("grenzen", expected, text)
    return breaks


def read_whole(
    args: MultiDict[str, str], name: str, least: int, most: int, unit: str
) -> int | None:
    """Read a whole number, None where none is given."""
    text = read_single(args, name)
    if not text:
        return None
    if _WHOLE.fullmatch(text) and least <= int(text) <= most:
        return int(text)
    expected = f"eine ganze Zahl von {least} bis {german_number(most)}"
    raise refuse(name, f"{expected} ({unit})" if unit else expected, text)


def read_listed(args: MultiDict[str, str], name: str, known: Collection[str], usual: str) -> str:
    """Read one of the known values, `usual` where none is given."""
    text = read_single(args, name)
    if not text:
        return usual
    if text not in known:
        raise refuse(name, _one_of(known), text)
    return text


def _several(args: MultiDict[str, str], name: str, known: Collection[str]) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(value.strip() for value in args.getlist(name) if value.strip()))
    if len(values) > _MAX_CHOICES:
        raise refuse(name, f"höchstens {_MAX_CHOICES} Angaben", f"{len(values)}")
    for value in values:
        if value not in known:
            raise refuse(name, _one_of(known), value)
    return values if name == "gebiet" else tuple(sorted(values))


def read_single(args: MultiDict[str, str], name: str) -> str:
    """Read a parameter that is given once at most, empty where it is not."""
    values = [text for text in (latin_digits(v).strip() for v in args.getlist(name)) if text]
    if len(set(values)) > 1:
        raise refuse(name, "eine Angabe", ", ".join(values))
    return values[0] if values else ""


def _one_of(known: Collection[str]) -> str:
    if not known:
        return "nichts, denn es ist nichts geladen"
    return f"eines von {', '.join(known)}" if len(known) <= 25 else "eine Angabe aus der Liste"


def refuse(name: str, expected: str, got: str) -> AddressError:
    """Return the error that says which parameter, what was expected and what came."""
    shown = CONTROL.sub("\N{REPLACEMENT CHARACTER}", got[:_MAX_SHOWN])
    shown = f"„{shown}{'…' if len(got) > _MAX_SHOWN else ''}“" if got else "nichts"
    text = f"Angabe „{name}“: Erwartet wird {expected}; gekommen ist {shown}."
    return AddressError(name, text)
