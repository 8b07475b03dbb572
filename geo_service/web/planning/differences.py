"""What an indicator became: its difference in words, and the classes of a difference map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from geo_service.classification import classify, unit_formatter
from geo_service.formats import MOST_DECIMALS, NOISE, signed_text
from geo_service.web.planning.figures import UNKNOWN, LegendEntry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geo_service.web.planning.query import Indicator

    Floats = NDArray[np.float64]

__all__ = [
    "Differences",
    "between_differences",
    "difference_range",
    "difference_text",
    "difference_unit",
    "difference_with_unit",
    "differences_of",
]

_DECIMALS: Final = {"je10000": 2, "anteil": 1, "entfernung": 2, "e2sfca": 2}
_POINTS: Final = "Prozentpunkte"
_MUCH_BETTER, _BETTER, _SAME, _WORSE, _MUCH_WORSE = range(1, 6)


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences in classes: `shades` from 1 (much better) to 5 (much worse), 0 for unknown.

    The colours are those of `classification.DIVERGING`, backwards.
    """

    shades: NDArray[np.int8]
    legend: tuple[LegendEntry, ...]


def difference_unit(indicator: Indicator) -> str:
    """Return what a difference is counted in: of shares, points; empty where nothing."""
    return _POINTS if indicator.unit == "%" else indicator.unit


def difference_text(value: float, indicator: Indicator, *, missing: str = UNKNOWN) -> str:
    """Write a difference in the indicator's unit with its sign; only none at all is 0.

    >>> from geo_service.web.planning.query import INDICATORS
    >>> [difference_text(value, INDICATORS["anteil"]) for value in (1.25, -3.0, 0.01, 0.0)]
    ['+1,3', '−3,0', '+0,01', '0']

    What is too small for three decimals has its sign in a word:

    >>> difference_text(-0.0004, INDICATORS["anteil"])
    'Abnahme unter 0,001'
    """
    return signed_text(value, _DECIMALS.get(indicator.name, 0), missing=missing)


def difference_with_unit(value: float, indicator: Indicator) -> str:
    """Write a difference as `difference_text`, with what it is counted in.

    >>> from geo_service.web.planning.query import INDICATORS
    >>> [difference_with_unit(value, INDICATORS["anteil"]) for value in (1.25, 0.0004)]
    ['+1,3 Prozentpunkte', 'Zunahme unter 0,001 Prozentpunkten']
    """
    text = difference_text(value, indicator)
    unit = difference_unit(indicator) if value == value else ""
    dative = "n" if unit == _POINTS and "unter" in text else ""
    return f"{text} {unit}{dative}".rstrip()


def difference_range(low: float, high: float, value: float, indicator: Indicator) -> str:
    """Write the range of a difference, empty where both ends read like the difference itself.

    >>> from geo_service.web.planning.query import INDICATORS
    >>> difference_range(-2.0, 12.04, 5.0, INDICATORS["anteil"])
    '−2,0 bis +12,0'
    """
    least, most, text = (difference_text(one, indicator, missing="") for one in (low, high, value))
    return between_differences(least, most, text)


def between_differences(least: str, most: str, text: str) -> str:
    """Put the written ends of a range together, as `difference_range`."""
    return "" if not least or not most or least == most == text else f"{least} bis {most}"


def differences_of(values: Floats, indicator: Indicator) -> Differences:
    """Put differences into five classes around none; a natural break parts the larger ones.

    Parameters
    ----------
    values
        A difference per area in the indicator's unit; NaN is unknown.
    indicator
        Says which direction is better.
    """
    rounded = _rounded(values, indicator)
    sizes = np.abs(rounded)
    changed = np.isfinite(rounded) & (sizes > 0)
    breaks = classify(sizes[changed], method="natuerlich", classes=2).breaks
    worse = (rounded > 0) == (indicator.need == "high")
    much = sizes >= breaks[0] if breaks else np.zeros(len(sizes), dtype=bool)
    shades = np.full(len(rounded), _SAME, dtype=np.int8)
    shades[changed & ~worse] = _BETTER
    shades[changed & worse] = _WORSE
    shades[changed & ~worse & much] = _MUCH_BETTER
    shades[changed & worse & much] = _MUCH_WORSE
    shades[~np.isfinite(rounded)] = 0
    return Differences(shades, _legend(shades, breaks, indicator))


def _legend(
    shades: NDArray[np.int8], breaks: tuple[float, ...], indicator: Indicator
) -> tuple[LegendEntry, ...]:
    """Return the classes that are there, the worst first, and always that of no difference."""
    edge = unit_formatter(unit=difference_unit(indicator))(breaks[0]) if breaks else ""
    less, more = (f" um weniger als {edge}", f" um {edge} oder mehr") if edge else ("", "")
    labels = {
        _MUCH_WORSE: f"schlechter{more}",
        _WORSE: f"schlechter{less}",
        _SAME: "unverändert",
        _BETTER: f"besser{less}",
        _MUCH_BETTER: f"besser{more}",
    }
    counts = {shade: int(np.count_nonzero(shades == shade)) for shade in labels}
    return tuple(
        LegendEntry(shade, label, counts[shade])
        for shade, label in labels.items()
        if counts[shade] or shade == _SAME
    )


def _rounded(values: Floats, indicator: Indicator) -> Floats:
    """Round as differences are written, half away from zero; what is not none stays so."""
    decimals = _DECIMALS.get(indicator.name, 0)
    rounded = [
        _shown(value, decimals) if math.isfinite(value) else value for value in values.tolist()
    ]
    return np.array(rounded, dtype=np.float64)


def _shown(value: float, decimals: int) -> float:
    """Round on the decimal that Python prints, like `formats`, to as many decimals as needed."""
    if abs(value) < NOISE:
        return 0.0
    exact = Decimal(str(value))
    tries = (
        float(exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
        for places in range(decimals, MOST_DECIMALS + 1)
    )
    return next(filter(None, tries), value)
