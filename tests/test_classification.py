"""Classes of a map: the best breaks, stated exactly, in colours that everybody tells apart."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from typing import TYPE_CHECKING

import colorspacious
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service import classification
from geo_service.classification import (
    BORDER,
    DIVERGING,
    HATCHES,
    METHODS,
    NO_DATA,
    SEQUENTIAL,
    classify,
    sequential_colours,
    unit_formatter,
)
from geo_service.errors import QueryError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mapclassify

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = st.lists(
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)) | st.just(math.nan),
    max_size=60,
)


def squares(values: NDArray[np.float64], index: NDArray[np.int8]) -> float:
    """The sum of squares within the classes."""
    groups = [values[index == number] for number in np.unique(index)]
    return float(sum(((group - group.mean()) ** 2).sum() for group in groups))


def least_squares(values: NDArray[np.float64], classes: int) -> float:
    """The least possible, by trying every partition of the distinct values."""
    distinct = np.unique(values)
    cuts = itertools.combinations(distinct[1:], min(classes, len(distinct)) - 1)
    return min(
        squares(values, np.searchsorted(cut, values, side="right").astype(np.int8)) for cut in cuts
    )


# ------------------------------------------------------------------------------- classes


@given(VALUES, st.sampled_from(METHODS[:3]), st.integers(2, 5))
def test_every_known_value_is_in_the_class_that_the_breaks_state(
    values: list[float], method: classification.Method, classes: int
) -> None:
    found = classify(values, method=method, classes=classes)
    assert list(found.breaks) == sorted(set(found.breaks))
    assert found.classes <= classes
    for value, number in zip(values, found.index.tolist(), strict=True):
        if math.isnan(value):
            assert number == NO_DATA
        else:
            edges = [-math.inf, *found.breaks, math.inf]
            assert edges[number] <= value < edges[number + 1]
    assert sum(found.counts) == sum(not math.isnan(value) for value in values)
    assert len(found.labels()) == found.classes


@given(
    st.lists(st.integers(-40, 40).map(lambda number: number / 4), min_size=2, max_size=11),
    st.integers(2, 5),
)
def test_natural_breaks_are_the_best_there_are(values: list[float], classes: int) -> None:
    given_values = np.array(values)
    found = classify(given_values, method="natuerlich", classes=classes)
    best = least_squares(given_values, classes)
    assert squares(given_values, found.index) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_natural_breaks_are_those_of_mapclassify(classes: int) -> None:
    values = np.round(np.random.default_rng(7).lognormal(size=150), 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for numba
        theirs = mapclassify.FisherJenks(values, k=classes)
    ours = classify(values, method="natuerlich", classes=classes)
    assert ours.index.tolist() == theirs.yb.tolist()


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_quantiles_are_those_of_mapclassify(classes: int) -> None:
    values = np.random.default_rng(8).normal(size=240)
    theirs = mapclassify.Quantiles(values, k=classes)
    assert classify(values, method="quantile", classes=classes).counts == tuple(theirs.counts)


def test_equal_values_are_never_parted() -> None:
    found = classify([0.0] * 90 + [1.0, 2.0, 3.0], method="quantile", classes=4)
    assert len(set(found.index[:90].tolist())) == 1
    assert 0 not in found.counts


def test_equal_classes_are_equally_wide() -> None:
    found = classify([0, 3, 100], method="gleich", classes=5)
    assert found.breaks == (20, 40, 60, 80)


def test_own_breaks_begin_their_class() -> None:
    found = classify([9.99, 10, 50, math.nan], method="eigene", own=(10, 50))
    assert found.index.tolist() == [0, 1, 2, NO_DATA]
    assert found.labels(unit_formatter(unit="%")) == (
        "unter 10 %",
        "10 % bis unter 50 %",
        "ab 50 %",
    )


def test_few_distinct_values_make_few_classes_and_none_makes_none() -> None:
    assert classify([5, 5, math.nan], method="natuerlich").labels() == ("alle Werte",)
    nothing = classify([math.nan], method="natuerlich")
    assert (nothing.classes, nothing.labels(), nothing.counts) == (0, (), ())
    assert classify([], method="quantile").classes == 0
    assert classify([1, 2], method="natuerlich", classes=5).classes == 2


def test_breaks_are_short_where_values_leave_room() -> None:
    found = classify([0.11, 0.12, 0.49, 0.52, 0.97], method="natuerlich", classes=3)
    assert found.breaks == (0.3, 0.7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "zufall"},
        {"method": "natuerlich", "classes": 1},
        {"method": "natuerlich", "classes": 6},
        {"method": "eigene"},
        {"method": "eigene", "own": (3, 2)},
        {"method": "eigene", "own": (1, math.inf)},
        {"method": "eigene", "own": (1, 2, 3, 4, 5)},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(QueryError):
        classify([1, 2, 3], **wrong)  # type: ignore[arg-type]


def test_as_many_values_as_there_are_municipalities_take_milliseconds() -> None:
    values = np.random.default_rng(1).lognormal(size=2_300)
    classify(values, method="natuerlich")
    begun = time.process_time()
    classify(values, method="natuerlich")
    assert time.process_time() - begun < 0.05


# ------------------------------------------------------------------------------- colours

SIGHTS = (None, "protanomaly", "deuteranomaly", "tritanomaly")


def rgb(colour: str) -> NDArray[np.float64]:
    return np.array([*bytes.fromhex(colour[1:])]) / 255


def seen(colour: str, sight: str | None) -> NDArray[np.float64]:
    """A colour in CAM02-UCS, as somebody sees it who cannot tell some colours apart."""
    shown = rgb(colour)
    if sight:
        space = {"name": "sRGB1+CVD", "cvd_type": sight, "severity": 100}
        shown = np.clip(colorspacious.cspace_convert(shown, space, "sRGB1"), 0, 1)
    return np.asarray(colorspacious.cspace_convert(shown, "sRGB1", "CAM02-UCS"))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    shown = rgb(colour)
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("palette", [SEQUENTIAL, DIVERGING], ids=["sequential", "diverging"])
def test_classes_are_told_apart_under_colour_blindness(
    palette: tuple[str, ...], sight: str | None
) -> None:
    points = [seen(colour, sight) for colour in palette]
    differences = [np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2)]
    assert min(differences) >= 10


def test_grey_print_gets_darker_with_the_need() -> None:
    greys = [luminance(colour) for colour in SEQUENTIAL]
    assert greys == sorted(greys, reverse=True)
    steps = [low / high for high, low in itertools.pairwise(greys)]
    assert max(steps) < 0.75


def test_differences_have_a_grey_of_their_own() -> None:
    greys = sorted(luminance(colour) for colour in DIVERGING)
    assert max(low / high for low, high in itertools.pairwise(greys)) < 0.75
    assert luminance(DIVERGING[2]) == greys[-1]


@pytest.mark.parametrize("colour", [*SEQUENTIAL, *DIVERGING])
def test_borders_are_seen_against_every_class(colour: str) -> None:
    assert contrast(colour, BORDER) >= 3


def test_hatching_is_seen_on_what_it_lies_on() -> None:
    assert contrast(HATCHES["unknown"].ink, HATCHES["unknown"].ground or "") >= 3
    assert all(contrast(HATCHES["uncertain"].ink, colour) >= 3 for colour in SEQUENTIAL)


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5])
def test_dark_means_more_need(classes: int) -> None:
    few_is_bad = sequential_colours(classes, more_is_better=True)
    assert len(set(few_is_bad)) == classes
    assert few_is_bad == sequential_colours(classes, more_is_better=False)[::-1]
    assert luminance(few_is_bad[0]) <= luminance(few_is_bad[-1])
