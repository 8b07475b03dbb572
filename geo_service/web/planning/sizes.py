"""How large a question the pages answer: what they refuse, and what they answer one at a time.

What takes long is said by pairs: of people and place where coverage is measured, of point and
candidate where places are proposed. Every limit on them is here, with what a refusal advises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scipy.spatial import cKDTree

from geo_service.web.planning.query import refuse
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geo_service.siting import SitingProblem
    from geo_service.web.planning.siting_choice import SitingChoice

    Floats = NDArray[np.float64]

__all__ = ["MOST_PAIRS", "check_pairs", "count_pairs", "is_large", "is_slow", "too_large"]

MOST_PAIRS: Final = 50_000_000
"""Pairs of people and place that a page measures, which takes some five seconds."""

LARGE_PAIRS: Final = 2_000_000
MOST_WEIGHED_PAIRS: Final = 8_000_000
"""Pairs of a point and a candidate that siting weighs (`count_pairs`). From the first on even
the quick way may take seconds: one at a time, without the curve. Beyond the second it is longer
than a page may take."""

FEW_PLACES: Final = 5
SLOW_PAIRS_OF_FEW: Final = 1_000_000
SLOW_PAIRS: Final = 8_000_000
MOST_MEDIAN_PAIRS: Final = 30_000_000
"""Points times candidates. Beyond, p-median takes longer than a page may: from few places
nearly every pair counts (2,300 x 2,300 take 1 to 3 s), from many only those near by."""


def too_large() -> AddressError:
    """Return the refusal of what goes through more than `MOST_PAIRS`."""
    return AddressError(
        "umkreis",
        "Angabe „umkreis“: Bei so vielen Orten und so feinem Raster der Menschen dauert das zu"
        " lange. Wählen Sie einen kleineren Umkreis oder weniger Orte.",
    )


def count_pairs(choice: SitingChoice, problem: SitingProblem, nearest_m: Floats) -> int:
    """Count the pairs of point and candidate that siting weighs, or more where they are few.

    Those are all for p-median, else those within the radius of people whom no place reaches.
    `nearest_m` is how far each point has it to the nearest place, in metres.
    """
    candidates = problem.candidates
    if choice.objective == "pmedian":
        return len(problem.people) * len(candidates.ids)
    needy = (problem.people > 0) & (nearest_m > problem.radius_m)
    most = int(needy.sum()) * len(candidates.ids)
    if most <= LARGE_PAIRS:
        return most
    points = cKDTree(problem.demand_xy_m[needy])
    return int(points.count_neighbors(cKDTree(candidates.xy_m), problem.radius_m))


def check_pairs(choice: SitingChoice, pairs: int) -> None:
    """Refuse a question of siting that would take longer than a page may.

    Raises
    ------
    AddressError
        If it would.
    """
    if choice.objective == "pmedian" and pairs > MOST_MEDIAN_PAIRS:
        raise refuse(
            "ziel",
            "eine kleinere Aufgabe für „entfernung“: Wählen Sie ein Gebiet, oder das Ziel"
            " „erreichen“",
            choice.objective_name,
        )
    if choice.objective != "pmedian" and pairs > MOST_WEIGHED_PAIRS:
        raise refuse(
            "umkreis",
            "eine kleinere Aufgabe: ein kleinerer Umkreis oder ein Gebiet",
            f"{choice.base.radius_km:g} km",
        )


def is_large(pairs: int) -> bool:
    """Whether even the quick way may take seconds."""
    return pairs > LARGE_PAIRS


def is_slow(choice: SitingChoice, problem: SitingProblem, pairs: int) -> bool:
    """Whether even the quick way does take seconds, so that it is no quick answer."""
    if choice.objective != "pmedian":
        return False
    few = len(problem.existing_xy_m) < FEW_PLACES
    return pairs > (SLOW_PAIRS_OF_FEW if few else SLOW_PAIRS)
