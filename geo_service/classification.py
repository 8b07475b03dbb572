"""Classes of a choropleth: their breaks, their German labels, their colours and hatchings.

Natural breaks are the exact optimum of Fisher (1958), found by dynamic programming over the
distinct values in O(k n log n): 2,300 values take milliseconds and give the same breaks every
time. mapclassify is the oracle of the tests only: its `FisherJenks` takes seconds, or numba and
190 MB in every process, and adds up in single precision, which misses the optimum at times; its
`NaturalBreaks` starts from random numbers.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np

from geo_service.errors import QueryError
from geo_service.formats import german_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "BORDER",
    "DIVERGING",
    "HATCHES",
    "MAX_CLASSES",
    "METHODS",
    "METHOD_NAMES",
    "NO_DATA",
    "SEQUENTIAL",
    "Classification",
    "Hatch",
    "Method",
    "classify",
    "sequential_colours",
    "unit_formatter",
]

Method: TypeAlias = Literal["natuerlich", "quantile", "gleich", "eigene"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)

METHOD_NAMES: Final[Mapping[Method, str]] = {
    "natuerlich": "natürliche Klassen (Fisher–Jenks)",
    "quantile": "Quantile (gleich viele Gebiete je Klasse)",
    "gleich": "gleich breite Klassen",
    "eigene": "eigene Grenzen",
}

MAX_CLASSES: Final = 5
"""More are not told apart on a map (docs/coverage.md)."""

NO_DATA: Final = -1
"""The class of what is unknown."""

SEQUENTIAL: Final = ("#f8f5e6", "#b9d5cb", "#7fb2b0", "#468e95", "#186872")
"""From little need to much. Told apart under the three kinds of colour-blindness and in grey
print, and all of at least 3:1 against `BORDER`, by tests."""

DIVERGING: Final = ("#a8570f", "#e39f55", "#f7f5f0", "#a6d6d4", "#3b8f9b")
"""From much worse over the same to much better; every one has a grey of its own."""

BORDER: Final = "#0c0c0c"
"""Lines between areas."""


@dataclass(frozen=True, slots=True)
class Hatch:
    """What lies over an area: lines or dots, on `ground`, or on the class's colour if None."""

    label: str
    pattern: Literal["lines", "dots"]
    ink: str
    ground: str | None


HATCHES: Final[Mapping[str, Hatch]] = {
    "unknown": Hatch("keine Angabe", "lines", "#6b6b6b", "#ffffff"),
    "uncertain": Hatch("zu unsicher, um zu urteilen", "dots", "#0c0c0c", None),
}
"""An unknown area has no colour; an uncertain one keeps the colour of its class."""


@dataclass(frozen=True, slots=True)
class Classification:
    """Values in classes: class c holds what is at least ``breaks[c - 1]`` and under ``breaks[c]``.

    `index` has the class of every value, from 0 for the lowest, and `NO_DATA` for unknown.
    Breaks are the shortest decimals that part the same values, so a legend states them exactly.
    """

    method: Method
    breaks: tuple[float, ...]
    index: NDArray[np.int8]

    @property
    def classes(self) -> int:
        """Return how many classes there are; 0 where nothing is known."""
        return len(self.breaks) + 1 if bool((self.index != NO_DATA).any()) else 0

    @property
    def counts(self) -> tuple[int, ...]:
        """Return how many values each class has."""
        known = self.index[self.index != NO_DATA]
        return tuple(np.bincount(known, minlength=self.classes).tolist())

    def labels(self, say: Callable[[float], str] | None = None) -> tuple[str, ...]:
        """Return what each class holds, in German; `say` writes a break with its unit.

        >>> classify([1, 2, 8, 9], method="eigene", own=(2, 8)).labels(unit_formatter(unit="km"))
        ('unter 2 km', '2 km bis unter 8 km', 'ab 8 km')
        """
        if not self.classes:
            return ()
        written = [(say or unit_formatter())(value) for value in self.breaks]
        if not written:
            return ("alle Werte",)
        between = itertools.pairwise(written)
        middle = [f"{low} bis unter {high}" for low, high in between]
        return (f"unter {written[0]}", *middle, f"ab {written[-1]}")


def unit_formatter(*, factor: float = 1.0, unit: str = "") -> Callable[[float], str]:
    """Return what writes a value times `factor` with as many decimals as it has, and its unit.

    >>> unit_formatter(factor=100, unit="%")(0.125), unit_formatter(unit="km")(1234.0)
    ('12,5 %', '1.234 km')
    """

    def say(value: float) -> str:
        shown = float(f"{value * factor:.12g}")
        decimals = next((n for n in range(9) if round(shown, n) == shown), 9)
        text = german_number(shown, decimals)
        return f"{text} {unit}" if unit else text

    return say


def classify(
    values: ArrayLike, *, method: Method, classes: int = MAX_CLASSES, own: Sequence[float] = ()
) -> Classification:
    """Put `values` into classes.

    Parameters
    ----------
    values
        Numbers; NaN is unknown and in no class.
    method
        One of `METHODS`: ``natuerlich`` (least sum of squares within the classes),
        ``quantile`` (as many values in each), ``gleich`` (equally wide) or ``eigene`` (`own`).
    classes
        How many, 2 to `MAX_CLASSES`; fewer come out where there are fewer distinct values.
    own
        Breaks of ``eigene``, rising, one to four of them; each begins a class.

    Raises
    ------
    QueryError
        If there is no such method, or a parameter is out of range.

    Examples
    --------
    >>> found = classify([1, 2, 2, 11, 12, 50, float("nan")], method="natuerlich", classes=3)
    >>> found.breaks, found.index.tolist()
    ((10.0, 50.0), [0, 0, 0, 1, 1, 2, -1])
    """
    _check(method, classes, own)
    given = np.asarray(values, dtype=np.float64)
    known = np.isfinite(given)
    distinct, weights = np.unique(given[known], return_counts=True)
    breaks = _breaks(distinct, weights, method, classes, own)
    index = np.full(given.shape, NO_DATA, dtype=np.int8)
    index[known] = np.searchsorted(breaks, given[known], side="right")
    return Classification(method, breaks, index)


def _check(method: str, classes: int, own: Sequence[float]) -> None:
    if method not in METHODS:
        raise QueryError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    if not 2 <= classes <= MAX_CLASSES:
        raise QueryError(f"classes: expected 2 to {MAX_CLASSES}, got {classes}")
    if method == "eigene":
        rising = all(low < high for low, high in itertools.pairwise(own))
        if not (1 <= len(own) < MAX_CLASSES and rising and all(map(math.isfinite, own))):
            raise QueryError(
                f"own: expected 1 to {MAX_CLASSES - 1} rising numbers, got {tuple(own)}"
            )


def _breaks(
    distinct: Floats, weights: NDArray[Any], method: Method, classes: int, own: Sequence[float]
) -> tuple[float, ...]:
    if method == "eigene":
        return tuple(map(float, own))
    if len(distinct) < 2:
        return ()
    if method == "gleich":
        return _equal_breaks(float(distinct[0]), float(distinct[-1]), classes)
    if method == "quantile":
        starts = _quantile_starts(weights, classes)
    else:
        starts = _natural_starts(distinct, weights, min(classes, len(distinct)))
    return tuple(_shortest_between(distinct[at - 1], distinct[at]) for at in starts)


def _equal_breaks(low: float, high: float, classes: int) -> tuple[float, ...]:
    """Return breaks of equal width, written to a hundredth of it."""
    width = (high - low) / classes
    decimals = 2 - math.floor(math.log10(width))
    rounded = (round(low + width * number, decimals) for number in range(1, classes))
    return tuple(dict.fromkeys(rounded))


def _quantile_starts(weights: NDArray[Any], classes: int) -> list[int]:
    """Return where classes begin so that each has as many values as equal ones allow."""
    ranks = np.cumsum(weights)
    # The last distinct value of a class holds the rank that the class should end with.
    wanted = np.arange(1, classes) * ranks[-1] / classes
    ends = np.searchsorted(ranks, wanted, side="left") + 1
    return sorted({int(end) for end in ends if end < len(weights)})


def _natural_starts(values: Floats, weights: NDArray[Any], classes: int) -> list[int]:
    """Return where the classes of least squares begin; of equally good ones the leftmost.

    Fisher, W. D. (1958), On grouping for maximum homogeneity, JASA 53(284), 789-798,
    doi:10.1080/01621459.1958.10501479.
    """
    squares = _Squares.of(values, weights)
    everything = np.arange(len(values))
    best = squares.within(np.zeros(len(values), dtype=np.intp), everything)
    chosen: list[NDArray[np.intp]] = []
    for _ in range(1, classes):
        best, start = _add_class(best, squares)
        chosen.append(start)
    starts: list[int] = []
    end = len(values) - 1
    for start in reversed(chosen):
        begin = int(start[end])
        starts.append(begin)
        end = begin - 1
    return starts[::-1]


@dataclass(frozen=True, slots=True)
class _Squares:
    """Sums over the first values, which give the sum of squares within any run of them."""

    weight: Floats
    first: Floats
    second: Floats

    @classmethod
    def of(cls, values: Floats, weights: NDArray[Any]) -> _Squares:
        centred = values - np.average(values, weights=weights)
        scaled = centred / np.abs(centred).max()

        def sums(parts: NDArray[Any]) -> Floats:
            return np.concatenate([[0.0], np.cumsum(parts)])

        return cls(sums(weights), sums(weights * scaled), sums(weights * scaled**2))

    def within(self, start: NDArray[np.intp], end: NDArray[np.intp]) -> Floats:
        """Return the sum of squares around the mean of the values `start` to `end`."""
        weight = self.weight[end + 1] - self.weight[start]
        total = self.first[end + 1] - self.first[start]
        return np.maximum(self.second[end + 1] - self.second[start] - total**2 / weight, 0.0)


def _add_class(best: Floats, squares: _Squares) -> tuple[Floats, NDArray[np.intp]]:
    """Return the least sum of squares for every end with one class more, and its last start.

    The best start never falls as the end rises, so that each end needs to be tried only
    between the best starts of two neighbours that are known already.
    """
    count = len(best)
    result, start = np.zeros(count), np.zeros(count, dtype=np.intp)
    step = 1 << (count - 1).bit_length()
    while step:
        ends = np.arange(step - 1, count, 2 * step)
        low = np.where(ends >= step, start[np.maximum(ends - step, 0)], 0)
        after = ends + step
        high = np.where(after < count, start[np.minimum(after, count - 1)], ends)
        low, high = np.maximum(low, np.minimum(1, ends)), np.minimum(high, ends)
        if len(ends):
            result[ends], start[ends] = _try(best, squares, ends, low, np.maximum(low, high))
        step //= 2
    return result, start


def _try(
    best: Floats,
    squares: _Squares,
    ends: NDArray[np.intp],
    low: NDArray[np.intp],
    high: NDArray[np.intp],
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the least cost of each end over the starts `low` to `high`, and that start."""
    lengths = high - low + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    start = np.arange(lengths.sum()) + np.repeat(low - offsets, lengths)
    before = np.where(start > 0, best[np.maximum(start - 1, 0)], 0.0)
    cost = before + squares.within(start, np.repeat(ends, lengths))
    least = np.minimum.reduceat(cost, offsets)
    reached = np.where(cost == np.repeat(least, lengths), start, len(best))
    return least, np.minimum.reduceat(reached, offsets)


def _shortest_between(low: float, high: float) -> float:
    """Return the number with the fewest digits that is over `low` and at most `high`.

    >>> _shortest_between(9.7, 10.4), _shortest_between(0.123, 0.1271), _shortest_between(12, 50)
    (10.0, 0.125, 50.0)
    """
    exponent = math.floor(math.log10(max(abs(low), abs(high)))) + 1
    for digits in range(exponent, exponent - 18, -1):
        number = float(f"{_step_in(low, high, digits)}e{digits}")
        if low < number <= high:
            return number
    return float(high)


def _step_in(low: float, high: float, digits: int) -> int:
    """Return the multiple of a power of ten next to the middle of `low` and `high`, a 5 first."""
    scale = 10.0**-digits
    middle = (low + high) / 2 * scale
    for unit in (10, 5):
        number = unit * round(middle / unit)
        if low * scale < number <= high * scale:
            return number
    return round(middle)


def sequential_colours(classes: int, *, more_is_better: bool) -> tuple[str, ...]:
    """Return the colours of the classes from the lowest value on; dark is more need.

    >>> sequential_colours(2, more_is_better=False) == (SEQUENTIAL[0], SEQUENTIAL[-1])
    True
    """
    last = len(SEQUENTIAL) - 1
    if classes == 1:
        return (SEQUENTIAL[last // 2],)
    chosen = tuple(SEQUENTIAL[round(at * last / (classes - 1))] for at in range(classes))
    return chosen[::-1] if more_is_better else chosen
