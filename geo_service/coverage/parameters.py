"""What coverage is measured with: one value, checked, described in German."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from geo_service.errors import QueryError
from geo_service.formats import german_number, last_months
from geo_service.schema import (
    CATEGORIES,
    PRECISIONS,
    STALE_AFTER_MONTHS,
    THEMES,
    Precision,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LUO_QI_STEPS: Final = ((1 / 3, 1.0), (2 / 3, 0.68), (1.0, 0.22))
"""Three equal zones of the catchment and their weights: Luo, W., & Qi, Y. (2009), An enhanced
two-step floating catchment area (E2SFCA) method for measuring spatial accessibility to primary
care physicians, Health & Place 15(4), 1100-1107, doi:10.1016/j.healthplace.2009.06.002, the
first set of weights (their zones are 0-10, 10-20 and 20-30 minutes)."""

METHOD: Final = "2"
"""Which method figures are of: raised whenever the same places and people give others."""

MAX_RADIUS_M: Final = 100_000.0
"""Longest radius and catchment, in metres: about half the length of the Land."""

DRAWS: Final = 100
FEWER_DRAWS: Final = 20
MANY_POINTS: Final = 20_000
"""Layouts of the roughly located places that a range is made of, fewer where there are more
than so many demand points."""

_PRECISION_WORDS: Final[Mapping[Precision, str]] = {
    "address": "Adresse",
    "street": "Straße",
    "postcode": "Postleitzahl",
    "locality": "Ort",
    "municipality": "Gemeinde",
}


@dataclass(frozen=True, slots=True)
class CoverageParameters:
    """What coverage is measured with.

    Parameters
    ----------
    radius_m
        Service radius in metres, over 0 and at most `MAX_RADIUS_M`, as the crow flies.
    categories, themes
        Only places of these count; empty: all. A place without a theme is in none.
    e2sfca_steps
        Zones of the E2SFCA catchment: (outer edge as a multiple of `radius_m`, weight),
        edges rising, weights over 0 and never rising.
    gap_share
        An area is a gap where a smaller share of its people is reached, 0 to 1.
    minimum_people
        An area with fewer people is not judged.
    stale_after_months
        A record is stale when neither statement nor confirmation is younger.
    minimum_precision
        Only places whose point is at least so exact count; None: all. The roughest of
        `schema.PRECISIONS` leaves out none and becomes None.
    current_within_months
        Only places stated or confirmed within so many months count, so none without a
        date; None: all.

    Raises
    ------
    QueryError
        If a parameter is out of range; the message names it.
    """

    radius_m: float = 5_000.0
    categories: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    e2sfca_steps: tuple[tuple[float, float], ...] = LUO_QI_STEPS
    gap_share: float = 0.5
    minimum_people: float = 50.0
    stale_after_months: int = STALE_AFTER_MONTHS
    minimum_precision: Precision | None = None
    current_within_months: int | None = None

    def __post_init__(self) -> None:
        """Check every parameter."""
        require(
            0 < self.radius_m <= MAX_RADIUS_M,
            "radius_m",
            f"over 0 to {MAX_RADIUS_M:.0f} metres",
            self.radius_m,
        )
        require(0 <= self.gap_share <= 1, "gap_share", "a share of 0 to 1", self.gap_share)
        require(
            0 <= self.minimum_people < math.inf,
            "minimum_people",
            "a number from 0",
            self.minimum_people,
        )
        _check_names("categories", self.categories, CATEGORIES)
        _check_names("themes", self.themes, THEMES)
        _check_steps(self.e2sfca_steps, self.radius_m)
        _check_months("stale_after_months", self.stale_after_months, 0)
        if self.current_within_months is not None:
            _check_months("current_within_months", self.current_within_months, 1)
        if self.minimum_precision is not None:
            _check_names("minimum_precision", (self.minimum_precision,), PRECISIONS)
        if self.minimum_precision == PRECISIONS[-1]:  # so that equal questions are equal
            object.__setattr__(self, "minimum_precision", None)

    @property
    def steps_m(self) -> tuple[tuple[float, float], ...]:
        """The zones of the E2SFCA catchment as (outer edge in metres, weight)."""
        return tuple((edge * self.radius_m, weight) for edge, weight in self.e2sfca_steps)

    def describe(self) -> dict[str, str]:
        """Return label and value of each in German, for a sheet, a legend or a file's metadata.

        >>> CoverageParameters().describe()["Umkreis"]
        '5 km Luftlinie'
        """
        zones = (
            f"bis {_kilometres(edge_m)} Gewicht {short(weight)}" for edge_m, weight in self.steps_m
        )
        return {
            "Umkreis": f"{_kilometres(self.radius_m)} Luftlinie",
            "Kategorien": ", ".join(self.categories) or "alle",
            "Leitthemen": ", ".join(self.themes) or "alle",
            "Genauigkeit": self._describe_precision(),
            "Aktualität": self._describe_currency(),
            "E2SFCA-Zonen": "; ".join(zones),
            "Spanne": (
                "mittlere neun Zehntel, wenn die grob verorteten Orte in"
                f" {DRAWS} Lagen ({FEWER_DRAWS} bei über {german_number(MANY_POINTS)}"
                " Wohnpunkten) in ihrer Gemeinde verteilt werden"
            ),
            "Lücke": f"weniger als {short(self.gap_share * 100)} % der Menschen erreicht",
            "Beurteilt ab": f"{short(self.minimum_people)} Menschen",
            "Veraltet nach": f"{self.stale_after_months} Monaten ohne Angabe oder Bestätigung",
        }

    def _describe_precision(self) -> str:
        if self.minimum_precision is None:
            return "jede"
        word = _PRECISION_WORDS[self.minimum_precision]
        return f"mindestens {word}; gröber verortete Orte zählen nicht"

    def _describe_currency(self) -> str:
        if self.current_within_months is None:
            return "jede"
        span = last_months(self.current_within_months)
        return f"nur {span} angegeben oder bestätigt; Orte ohne Datum zählen nicht"


def _kilometres(length_m: float) -> str:
    return f"{short(length_m / 1000, 3)} km"


def short(value: float, decimals: int = 2) -> str:
    """Return a number in German form without trailing zeros."""
    text = german_number(value, decimals)
    return text.rstrip("0").rstrip(",") if "," in text else text


def require(holds: bool, name: str, expected: str, got: object) -> None:
    """Raise QueryError that names the parameter, unless it holds."""
    if not holds:
        raise QueryError(f"{name}: expected {expected}, got {got!r}")


def _check_months(name: str, value: object, least: int) -> None:
    whole = isinstance(value, int) and least <= value <= 1200
    require(whole, name, f"whole months from {least} to 1200", value)


def _check_names(name: str, values: Collection[str], known: Collection[str]) -> None:
    require(not isinstance(values, str), name, "a tuple of names", values)
    for value in values:
        require(value in known, name, f"one of {', '.join(known)}", value)


def _check_steps(steps: tuple[tuple[float, float], ...], radius_m: float) -> None:
    name = "e2sfca_steps"
    require(0 < len(steps) <= 20, name, "1 to 20 pairs of edge and weight", steps)
    edges, weights = zip(*steps, strict=True)
    rising = all(0 <= low < high for low, high in itertools.pairwise((0.0, *edges)))
    require(rising, name, "edges rising from over 0", edges)
    require(
        edges[-1] * radius_m <= MAX_RADIUS_M,
        name,
        f"a catchment up to {MAX_RADIUS_M:.0f} metres",
        edges,
    )
    falling = all(math.inf > high >= low > 0 for high, low in itertools.pairwise(weights))
    require(falling and 0 < weights[0] < math.inf, name, "weights over 0, never rising", weights)
