"""An answer that can be defended: what each site brings, to whom, and what nearly ties with it.

Figures are in the reader's unit: people within the radius (mclp, lscp), or metres that a
person has to the nearest place on average (pmedian).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from geo_service.siting.greedy import choose_greedily, exchange_profits

if TYPE_CHECKING:
    from geo_service.siting.problem import Floats, Goal, Ints, Model

__all__ = ["NEAR_TIES", "CurvePoint", "Replacement", "Site", "SitingResult", "explain", "reach"]

NEAR_TIES: Final = 3
"""Replacements named for each site, at most."""
_ROUNDING: Final = 1e-12
"""What is left of all metres below this share comes from adding up."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A candidate that could stand for a site, all else unchanged.

    `loss` is what that costs: people fewer, or metres more on average. `loss_share` is the
    same as a share of the people newly reached by all sites, or of the average distance.
    """

    id: str
    label: str
    loss: float
    loss_share: float


@dataclass(frozen=True, slots=True)
class Site:
    """One proposed place.

    `gain` is what it adds to the sites before it: people newly reached, or metres off the
    average distance (NaN for the first place of all, as there is no distance before it).
    `people` are those newly reached; for pmedian those whose nearest place this is in the
    end. `from_municipalities` has the same people by municipality, most first.
    `near_ties` are the best replacements, the least loss first; for lscp only those with
    which the share is still reached; none for a forced site.
    """

    id: str
    label: str
    ags: str | None
    x_m: float
    y_m: float
    forced: bool
    gain: float
    people: float
    from_municipalities: tuple[tuple[str, float], ...]
    near_ties: tuple[Replacement, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What the first `sites` places reach: `greedy` added one by one, `result` as answered.

    `best` is the better of both, which is the best known for so many sites.
    """

    sites: int
    greedy: float
    result: float
    best: float


@dataclass(frozen=True, slots=True)
class SitingResult:
    """Where the next places should be, how good that is, and how much better it could be.

    `value` and `bound` are of what was sought: people newly reached (mclp), number of sites
    (lscp), average distance in metres (pmedian). No choice at all is better than `bound`;
    `gap` is what lies between, at least 0, and `gap_share` the same as a share of the bound
    (mclp) or of the value (lscp, pmedian). `is_optimal`: there is no gap.
    `before` and `after` are people within the radius, or average metres, without and with
    the sites (`before` is NaN for pmedian where there is no place yet).
    `people` are all people known, `people_unknown` the points without a figure, which are
    in no sum. `target_met` is False where even all candidates together do not reach the
    share (lscp): then `attainable_share` is what they reach, the sites reach that, and
    `bound` and gaps are NaN. `attainable_share` is NaN for pmedian.
    `sites` stand in the order of their gains, forced ones first; they can be fewer than
    asked for where more would bring nothing.
    """

    goal: Goal
    method: Literal["greedy", "exact"]
    sites: tuple[Site, ...]
    value: float
    bound: float
    gap: float
    gap_share: float
    is_optimal: bool
    before: float
    after: float
    people: float
    people_unknown: int
    target_met: bool
    attainable_share: float
    curve: tuple[CurvePoint, ...]
    seconds: float


def reach(model: Model, worth: float | Floats) -> Floats:
    """Return people within the radius, or average metres, where sites save `worth`."""
    if model.goal.objective == "pmedian":
        left = np.asarray(model.base - worth)
        return np.where(left > _ROUNDING * model.base, left, 0.0) / model.total
    return np.asarray(model.base + worth)


def explain(
    model: Model, sites: Ints, greedy_gains: Floats
) -> tuple[tuple[Site, ...], tuple[CurvePoint, ...]]:
    """Return the sites in the order of their gains, and the curve of both ways."""
    ordered, gains = choose_greedily(model, len(sites), within=sites)
    shares = _people_by_site(model, ordered)
    ties = _near_ties(model, ordered)
    forced = np.isin(ordered, model.forced)
    per_person = model.total if model.goal.objective == "pmedian" else 1.0
    told = []
    for number, row in enumerate(ordered.tolist()):
        unknown = model.from_nothing and model.goal.objective == "pmedian" and number == 0
        choices = model.candidates
        told.append(
            Site(
                id=choices.ids[row],
                label=choices.labels[row],
                ags=choices.ags[row],
                x_m=float(choices.xy_m[row, 0]),
                y_m=float(choices.xy_m[row, 1]),
                forced=bool(forced[number]),
                gain=math.nan if unknown else float(gains[number]) / per_person,
                people=math.fsum(people for _, people in shares[number]),
                from_municipalities=shares[number],
                near_ties=ties[number],
            )
        )
    return tuple(told), _curve(model, greedy_gains, gains)


def _people_by_site(model: Model, sites: Ints) -> list[tuple[tuple[str, float], ...]]:
    """Give each demand point to the first site (mclp, lscp) or the nearest (pmedian)."""
    owner = np.full(len(model.people), -1)
    best = np.zeros(len(model.people))
    for number, site in enumerate(sites.tolist()):
        points, saving = model.row(site)
        better = saving > best[points]
        best[points[better]] = saving[better]
        owner[points[better]] = number
    told = []
    for number in range(len(sites)):
        own = np.flatnonzero(owner == number)
        keys, group = np.unique(model.demand_ags[own].astype(str), return_inverse=True)
        people = np.bincount(group, weights=model.people[own], minlength=len(keys))
        by_key = zip(keys.tolist(), people.tolist(), strict=True)
        told.append(tuple(sorted(by_key, key=lambda pair: (-pair[1], pair[0]))))
    return told


def _near_ties(model: Model, sites: Ints) -> list[tuple[Replacement, ...]]:
    """Return the best replacements of each site; equal losses by id."""
    if not len(sites):
        return []
    profit = exchange_profits(model, sites)
    profit[sites] = -np.inf
    profit[:, np.isin(sites, model.forced)] = -np.inf
    worth = model.worth(sites)
    if model.goal.objective == "lscp":
        profit[worth + profit < model.needed - model.slack] = -np.inf
    is_median = model.goal.objective == "pmedian"
    per_person = model.total if is_median else 1.0
    whole = float(reach(model, worth)) if is_median else worth
    told = []
    for column in profit.T:
        rows = np.argsort(-column, kind="stable")[:NEAR_TIES]
        losses = [
            (row, max(0.0, -float(column[row])) / per_person)
            for row in rows.tolist()
            if np.isfinite(column[row])
        ]
        told.append(
            tuple(
                Replacement(
                    model.candidates.ids[row],
                    model.candidates.labels[row],
                    loss,
                    loss / whole if whole > 0 else 0.0,
                )
                for row, loss in losses
            )
        )
    return told


def _curve(model: Model, greedy_gains: Floats, gains: Floats) -> tuple[CurvePoint, ...]:
    """Put both curves side by side; one that ended goes on level."""
    length = max(len(greedy_gains), len(gains))
    greedy, result = (
        np.cumsum(np.pad(part, (0, length - len(part)))) for part in (greedy_gains, gains)
    )
    columns = (reach(model, part).tolist() for part in (greedy, result, np.maximum(greedy, result)))
    return tuple(
        CurvePoint(number, *values)
        for number, values in enumerate(zip(*columns, strict=True), start=1)
    )
