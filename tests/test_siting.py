"""Siting: the best places for the next sites, with proof; oracles are brute force and spopt."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pulp
import pytest
import spopt.locate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import milp

from geo_service.errors import QueryError
from geo_service.population import seat_population
from geo_service.siting import (
    Candidates,
    Goal,
    SitingProblem,
    SitingResult,
    child,
    exact,
    solve,
    solve_greedy,
    solve_in_process,
    solving,
)
from geo_service.siting.bounds import improve_prices
from geo_service.siting.greedy import choose_greedily, exchange
from geo_service.siting.problem import build_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geo_service.snapshot import Territory

PATIENT_S = 120.0
"""A limit that small problems never come near, however busy the machine is."""

GOALS = (
    Goal("mclp", sites=1),
    Goal("mclp", sites=3),
    Goal("lscp", share=0.6),
    Goal("lscp", share=1.0),
    Goal("pmedian", sites=1),
    Goal("pmedian", sites=3),
)


def candidates_at(xy_m: np.ndarray, ags: Iterable[str] | None = None) -> Candidates:
    ids = tuple(f"c{number:04d}" for number in range(len(xy_m)))
    keys = ids if ags is None else tuple(ags)
    return Candidates(ids, xy_m, tuple(f"Halle {name}" for name in ids), keys)


def random_problem(
    seed: int, *, points: int = 14, choices: int = 8, existing: int = 2, **changes: Any
) -> SitingProblem:
    random = np.random.default_rng(seed)
    problem = SitingProblem(
        demand_xy_m=random.uniform(0, 10_000, (points, 2)),
        people=random.integers(1, 500, points).astype(float),
        demand_ags=np.array([f"0700{n % 4}" for n in range(points)], dtype=object),
        existing_xy_m=random.uniform(0, 10_000, (existing, 2)),
        candidates=candidates_at(random.uniform(0, 10_000, (choices, 2))),
        radius_m=2_500.0,
    )
    return dataclasses.replace(problem, **changes)


def measured(problem: SitingProblem, sites: Iterable[str]) -> tuple[float, float]:
    """People reached and average metres with these sites, the long way."""
    rows = [problem.candidates.ids.index(name) for name in sites]
    places = np.concatenate([problem.existing_xy_m, problem.candidates.xy_m[rows]])
    known = ~np.isnan(problem.people)
    people, xy_m = problem.people[known], problem.demand_xy_m[known]
    if not len(places):
        return 0.0, math.inf
    away = np.hypot(*(xy_m[:, None] - places[None]).transpose(2, 0, 1)).min(axis=1)
    return float(people[away <= problem.radius_m].sum()), float(people @ away / people.sum())


def best_by_trying_all(problem: SitingProblem, goal: Goal) -> float:
    """The best value of all choices (nan: the share cannot be reached)."""
    free = [n for n in problem.candidates.ids if n not in problem.forced | problem.excluded]
    forced = tuple(problem.forced)
    before = measured(problem, ())[0]

    def choices(count: int) -> list[tuple[float, float]]:
        more = itertools.combinations(free, min(count - len(forced), len(free)))
        return [measured(problem, forced + extra) for extra in more]

    if goal.objective == "mclp":
        return max(people for people, _ in choices(goal.sites or 0)) - before
    if goal.objective == "pmedian":
        return min(metres for _, metres in choices(goal.sites or 0))
    wanted = (goal.share or 0) * float(np.nansum(problem.people))
    for count in range(len(forced), len(forced) + len(free) + 1):
        if max(people for people, _ in choices(count)) >= wanted - 1e-6:
            return float(count)
    return math.nan


def check_explained(problem: SitingProblem, result: SitingResult) -> None:
    """What every answer promises, whatever the problem."""
    names = [site.id for site in result.sites]
    reached, metres = measured(problem, names)
    goal = result.goal
    assert len(set(names)) == len(names)
    assert problem.forced <= set(names)
    assert not problem.excluded & set(names)
    assert result.people == pytest.approx(np.nansum(problem.people))
    assert result.after == pytest.approx(metres if goal.objective == "pmedian" else reached)
    for site in result.sites:
        assert site.people == pytest.approx(sum(people for _, people in site.from_municipalities))
        for tie in site.near_ties:
            others = [tie.id if name == site.id else name for name in names]
            instead = measured(problem, others)
            loss = instead[1] - metres if goal.objective == "pmedian" else reached - instead[0]
            assert tie.loss == pytest.approx(loss, abs=1e-6)
            assert tie.id not in problem.excluded
            if goal.objective == "lscp" and goal.share:
                assert instead[0] >= goal.share * result.people - 1e-6
    gains = [site.gain for site in result.sites if not site.forced]
    known = [gain for gain in gains if not math.isnan(gain)]
    assert known == sorted(known, reverse=True)
    if goal.objective != "pmedian":
        assert sum(site.people for site in result.sites) == pytest.approx(
            result.after - result.before
        )
        assert sum(site.gain for site in result.sites) == pytest.approx(
            result.after - result.before
        )
    elif not math.isnan(result.before):
        assert sum(site.gain for site in result.sites) == pytest.approx(
            result.before - result.after, abs=1e-6
        )
    if result.target_met:
        assert result.gap >= 0
        assert result.gap_share >= 0
        assert result.is_optimal == (result.gap == 0)
    if result.sites:
        assert result.curve[-1].result == pytest.approx(result.after)


# -------------------------------------------------------------------------------- oracles


@pytest.mark.parametrize("goal", GOALS, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_exact_answer_equals_trying_all_choices(seed: int, goal: Goal) -> None:
    for existing, forced, excluded in ((0, (), ()), (2, ("c0003",), ("c0001", "c0002"))):
        problem = random_problem(
            seed, existing=existing, forced=frozenset(forced), excluded=frozenset(excluded)
        )
        result = solve(problem, goal, time_limit_s=PATIENT_S)
        best = best_by_trying_all(problem, goal)
        check_explained(problem, result)
        if math.isnan(best):
            assert not result.target_met
            assert math.isnan(result.bound)
            assert result.after == pytest.approx(result.attainable_share * result.people)
        else:
            assert result.value == pytest.approx(best)
            assert result.is_optimal


@pytest.mark.parametrize("goal", GOALS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_the_exact_models_need_no_help_of_bounds(seed: int, goal: Goal) -> None:
    """Everything is left to HiGHS: what makes its model small must not change the answer."""
    problem = random_problem(50 + seed, radius_m=4_000.0)
    model = build_model(problem, goal)
    nothing = np.zeros(len(problem.candidates.ids), dtype=bool)
    best = best_by_trying_all(problem, goal)
    rules: dict[str, Any] = {"out": nothing, "always": nothing, "time_limit_s": PATIENT_S}
    if goal.objective == "lscp":
        answer = exact.cover_with_fewest(model, most=8, **rules)
        assert (answer.sites is None) == math.isnan(best)
        assert answer.sites is None or len(answer.sites) == answer.bound == best
    else:
        answer = exact.choose_best(model, count=goal.sites or 0, whole=False, **rules)
        assert answer.sites is not None
        worth = model.worth(answer.sites)
        assert worth == pytest.approx(answer.bound)
        assert best == pytest.approx(
            worth if goal.objective == "mclp" else (model.base - worth) / model.total
        )


@pytest.mark.parametrize("objective", ["mclp", "pmedian"])
@pytest.mark.parametrize("seed", range(5))
def test_only_what_is_in_no_better_choice_is_left_out(seed: int, objective: Any) -> None:
    problem = random_problem(200 + seed, points=30, choices=12, forced=frozenset({"c0004"}))
    model = build_model(problem, Goal(objective, sites=3))
    greedy, _ = choose_greedily(model, 3)
    prices, sites = improve_prices(model, greedy, count=3, wanted=-math.inf, deadline=math.inf)
    known, out = model.worth(sites), np.isneginf(prices.worth)
    rest = [site for site in range(12) if site not in model.forced]
    choices = [np.sort([*model.forced, *more]) for more in itertools.combinations(rest, 2)]
    worth = np.array([model.worth(choice) for choice in choices])
    with_left_out = np.array([bool(out[choice].any()) for choice in choices])
    assert known <= worth.max() <= max(known, prices.bound()) + model.slack
    assert (worth[with_left_out] <= known + model.slack).all()
    assert with_left_out.any() or objective == "mclp", "prices this good leave some out"


@pytest.mark.parametrize("margin", [0.0, 0.25])
@pytest.mark.parametrize("seed", range(8))
def test_near_candidates_alone_prove_nothing_false(
    seed: int, margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out for being far makes the bound looser at most."""
    monkeypatch.setattr(solving, "_LARGE", 0)
    monkeypatch.setattr(solving, "_MARGIN", margin)
    for goal in (Goal("pmedian", sites=2), Goal("pmedian", sites=4)):
        problem = random_problem(300 + seed, points=30, choices=14, existing=2 * (seed % 2))
        result = solve(problem, goal, time_limit_s=PATIENT_S)
        best = best_by_trying_all(problem, goal)
        check_explained(problem, result)
        assert result.bound - 1e-6 <= best <= result.value + 1e-6
        assert result.value == pytest.approx(best), "found, if not always proven"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    goal=st.sampled_from(GOALS),
    existing=st.integers(0, 3),
    unknown=st.integers(0, 3),
)
def test_bound_holds_and_exact_is_never_worse_than_greedy(
    seed: int, goal: Goal, existing: int, unknown: int
) -> None:
    problem = random_problem(seed, existing=existing)
    people = problem.people.copy()
    people[:unknown] = np.nan
    problem = dataclasses.replace(problem, people=people)
    quick, exact = solve_greedy(problem, goal), solve(problem, goal, time_limit_s=PATIENT_S)
    best = best_by_trying_all(problem, goal)
    assert quick.method == "greedy"
    assert quick.people_unknown == unknown
    for result in (quick, exact):
        check_explained(problem, result)
        if math.isnan(best):
            assert not result.target_met
        elif goal.objective == "mclp":
            assert result.value <= best + 1e-6 <= result.bound + 2e-6
        else:
            assert result.bound - 1e-6 <= best <= result.value + 1e-6
    if not math.isnan(best):
        assert exact.value == pytest.approx(best)


@pytest.fixture(autouse=True)
def _pulp_as_spopt_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """PuLP 3 warns at every variable of what 4.0 will change; spopt's matter, not ours."""
    monkeypatch.setattr("pulp.v4_migration.V4_MIGRATION_WARNINGS", False, raising=False)


def spopt_value(problem: SitingProblem, goal: Goal, distance_m: np.ndarray) -> float:
    """spopt's objective on the same model; existing places are candidates it must take."""
    locked = len(problem.existing_xy_m)
    places = np.concatenate([problem.existing_xy_m, problem.candidates.xy_m])
    fixed = np.array([1] * locked + [0] * len(problem.candidates.ids)) if locked else None
    assert distance_m.shape == (len(problem.people), len(places))
    common: dict[str, Any] = {"predefined_facilities_arr": fixed}
    model = _spopt_model(problem, goal, distance_m, common)
    model = model.solve(pulp.HiGHS(msg=False, gapRel=0))
    return float(pulp.value(model.problem.objective))


def _spopt_model(
    problem: SitingProblem, goal: Goal, distance_m: np.ndarray, common: dict[str, Any]
) -> Any:
    locked = len(problem.existing_xy_m)
    if goal.objective == "mclp":
        return spopt.locate.MCLP.from_cost_matrix(
            distance_m,
            problem.people,
            problem.radius_m,
            p_facilities=locked + (goal.sites or 0),
            **common,
        )
    if goal.objective == "pmedian":
        return spopt.locate.PMedian.from_cost_matrix(
            distance_m, problem.people, p_facilities=locked + (goal.sites or 0), **common
        )
    return spopt.locate.LSCP.from_cost_matrix(distance_m, problem.radius_m, **common)


def distances_m(problem: SitingProblem) -> np.ndarray:
    places = np.concatenate([problem.existing_xy_m, problem.candidates.xy_m])
    return np.hypot(*(problem.demand_xy_m[:, None] - places[None]).transpose(2, 0, 1))


def check_same_as_spopt(problem: SitingProblem, goal: Goal) -> None:
    result = solve(problem, goal, time_limit_s=PATIENT_S)
    theirs = spopt_value(problem, goal, distances_m(problem))
    assert result.is_optimal
    if goal.objective == "mclp":
        assert result.after == pytest.approx(theirs)
    elif goal.objective == "pmedian":
        assert result.after * result.people == pytest.approx(theirs, rel=1e-6)
    else:
        assert result.value == theirs - len(problem.existing_xy_m)


@pytest.mark.parametrize("existing", [0, 3])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "goal", [Goal("mclp", sites=5), Goal("pmedian", sites=5), Goal("lscp", share=1.0)], ids=str
)
def test_same_optimum_as_spopt_on_random_problems(goal: Goal, seed: int, existing: int) -> None:
    problem = random_problem(100 + seed, points=60, choices=30, existing=existing)
    # For LSCP spopt wants everybody reachable: a candidate stands at every point.
    if goal.objective == "lscp":
        problem = dataclasses.replace(problem, candidates=candidates_at(problem.demand_xy_m))
    check_same_as_spopt(problem, goal)


def land_problem(territory: Territory, **changes: Any) -> SitingProblem:
    """All municipalities as demand and as candidates, no place yet."""
    people = seat_population(territory.municipalities)
    xy_m = np.column_stack([people.x_m, people.y_m])
    keys = tuple(people.ags.tolist())
    names = tuple(territory.municipalities["name"].tolist())
    problem = SitingProblem(
        demand_xy_m=xy_m,
        people=people.people,
        demand_ags=people.ags,
        existing_xy_m=np.zeros((0, 2)),
        candidates=Candidates(keys, xy_m, names, keys),
        radius_m=10_000.0,
    )
    return dataclasses.replace(problem, **changes)


@pytest.mark.parametrize("goal", [Goal("mclp", sites=10), Goal("pmedian", sites=4)], ids=str)
def test_same_optimum_as_spopt_for_all_people_of_the_land(territory: Territory, goal: Goal) -> None:
    # spopt's building takes time by the pair: so candidates are the largest towns only
    # here. All 2,300 x 2,300 are compared by scripts/bench_siting.py.
    land = land_problem(territory)
    count = 200 if goal.objective == "mclp" else 10
    largest = np.argsort(-land.people, kind="stable")[:count]
    check_same_as_spopt(dataclasses.replace(land, candidates=land.candidates.take(largest)), goal)


def test_the_shortest_ways_in_the_land_are_proven_with_spopt(territory: Territory) -> None:
    """p-median of all 2,300 x 2,300, which spopt would need 5.3 million variables for.

    Whatever the prices and whoever made them: sum of prices - the k largest worths is a way
    that no k sites come below, here with one candidate forced into them. Which candidates
    that leaves is reckoned here, without the room's code, and again among those left; among
    the last spopt seeks the best.
    """
    land = land_problem(territory)
    order = np.lexsort((land.demand_xy_m[:, 1], land.demand_xy_m[:, 0]))
    land = dataclasses.replace(
        land,
        demand_xy_m=land.demand_xy_m[order],
        people=land.people[order],
        demand_ags=land.demand_ags[order],
        candidates=land.candidates.take(np.argsort(land.candidates.ids)),
    )
    goal = Goal("pmedian", sites=10)
    result = solve(land, goal, time_limit_s=PATIENT_S)
    assert result.is_optimal
    check_explained(land, result)

    names = [site.id for site in result.sites]
    ours = measured(land, names)[1] * float(land.people.sum())
    left = land
    for _ in range(4):
        if len(left.candidates.ids) > 20:
            left = without_what_is_in_no_better_choice(left, goal, ours)
    assert set(names) <= set(left.candidates.ids)
    assert len(left.candidates.ids) <= 40, "more would take spopt long"
    theirs = spopt_value(left, goal, distances_m(left))
    assert theirs == pytest.approx(ours, rel=1e-7)
    assert result.value == pytest.approx(theirs / land.people.sum(), rel=1e-7)


def without_what_is_in_no_better_choice(
    problem: SitingProblem, goal: Goal, person_metres: float
) -> SitingProblem:
    """The problem without candidates that a bound excludes from choices as good as that."""
    model = build_model(problem, goal)
    count = goal.sites or 0
    greedy, _ = choose_greedily(model, count)
    prices, _ = improve_prices(model, greedy, count=count, wanted=-math.inf, deadline=math.inf)
    way = distances_m(problem) * problem.people[:, None]
    most = way.max(axis=1) - prices.price
    worth = np.maximum(most[:, None] - way, 0.0).sum(axis=0)
    others = np.sort(worth)[::-1][: count - 1].sum()
    possible = most.sum() - worth - others <= person_metres * (1 + 1e-9)
    return dataclasses.replace(problem, candidates=problem.candidates.take(possible))


# ------------------------------------------------------------------------- known by hand


def line_problem(**changes: Any) -> SitingProblem:
    """Villages at 0, 10, 20 and 30 km with 100, 200, 300, 50 people; each is a candidate."""
    xy_m = np.array([[0.0, 0.0], [10_000.0, 0.0], [20_000.0, 0.0], [30_000.0, 0.0]])
    problem = SitingProblem(
        demand_xy_m=xy_m,
        people=np.array([100.0, 200.0, 300.0, 50.0]),
        demand_ags=np.array(["A", "B", "C", "D"], dtype=object),
        existing_xy_m=np.zeros((0, 2)),
        candidates=Candidates(
            ("a", "b", "c", "d"), xy_m, ("Adorf", "Bedorf", "Zedorf", "Dedorf"), tuple("ABCD")
        ),
        radius_m=10_000.0,
    )
    return dataclasses.replace(problem, **changes)


def test_radius_includes_its_end_and_equal_gains_go_to_the_lower_id() -> None:
    result = solve(line_problem(), Goal("mclp", sites=2))
    # b reaches A, B, C = 600, c reaches B, C, D = 550; then c or d bring D's 50.
    assert [site.id for site in result.sites] == ["b", "c"]
    assert result.sites[0].from_municipalities == (("C", 300.0), ("B", 200.0), ("A", 100.0))
    assert [site.gain for site in result.sites] == [600.0, 50.0]
    assert [point.best for point in result.curve] == [600.0, 650.0]
    assert (result.value, result.bound, result.gap) == (650.0, 650.0, 0.0)
    tie = result.sites[1].near_ties[0]
    assert (tie.label, tie.loss, tie.loss_share) == ("Dedorf", 0.0, 0.0)


def test_existing_places_are_locked_in() -> None:
    there = line_problem(existing_xy_m=np.array([[10_000.0, 0.0]]))
    result = solve(there, Goal("mclp", sites=3))
    assert result.before == 600.0
    assert result.value == 50.0
    assert len(result.sites) == 1, "a site that reaches nobody new is not proposed"
    assert solve(there, Goal("lscp", share=0.9)).sites == ()


def test_pmedian_measures_the_average_way_beside_existing_places() -> None:
    there = line_problem(existing_xy_m=np.array([[0.0, 0.0]]))
    result = solve(there, Goal("pmedian", sites=1))
    # Today 0 + 200·10 + 300·20 + 50·30 km; with c: 0 + 200·10 + 0 + 50·10 km.
    assert result.before == pytest.approx(9_500_000 / 650)
    assert result.after == pytest.approx(2_500_000 / 650)
    assert [site.id for site in result.sites] == ["c"]
    assert result.sites[0].people == 350.0
    assert result.sites[0].gain == pytest.approx(7_000_000 / 650)


def test_first_place_of_all_shortens_no_known_way() -> None:
    result = solve(line_problem(), Goal("pmedian", sites=2))
    assert math.isnan(result.before)
    assert math.isnan(result.sites[0].gain)
    assert result.sites[1].gain > 0
    assert result.is_optimal


@pytest.mark.parametrize("seed", range(6))
def test_no_bound_exceeds_what_all_candidates_save(seed: int) -> None:
    problem = random_problem(seed, points=300, choices=90)
    everything = solve_greedy(problem, Goal("mclp", sites=50))
    assert len(everything.sites) < 50, "fewer reach everybody"
    assert everything.bound == everything.value
    assert everything.is_optimal


@pytest.mark.parametrize("seed", range(6))
def test_nobody_has_a_way_where_every_point_gets_a_site(seed: int) -> None:
    problem = random_problem(seed)
    points = candidates_at(problem.demand_xy_m)
    everywhere = dataclasses.replace(problem, candidates=points, people=problem.people / 7)
    assert solve(everywhere, Goal("pmedian", sites=len(points.ids))).value == 0.0


def test_a_share_out_of_reach_is_said_with_what_can_be_reached() -> None:
    problem = line_problem(excluded=frozenset({"c", "d"}))
    result = solve(problem, Goal("lscp", share=0.95))
    assert not result.target_met
    assert result.attainable_share == pytest.approx(600 / 650)
    assert math.isnan(result.gap)
    assert not result.is_optimal
    assert [site.id for site in result.sites] == ["b"]


def test_forced_candidates_come_first_and_count() -> None:
    result = solve(line_problem(forced=frozenset({"d"})), Goal("mclp", sites=2))
    assert [(site.id, site.forced) for site in result.sites] == [("d", True), ("a", False)]
    assert result.sites[0].near_ties == ()
    assert solve(line_problem(forced=frozenset({"d"})), Goal("lscp", share=0.1)).value == 1


def test_unknown_people_are_in_no_sum() -> None:
    problem = line_problem(people=np.array([100.0, np.nan, 300.0, 50.0]))
    result = solve(problem, Goal("lscp", share=1.0))
    assert (result.people, result.people_unknown, result.after) == (450.0, 1, 450.0)
    assert all(key != "B" for site in result.sites for key, _ in site.from_municipalities)


def test_a_region_limits_demand_and_candidates_but_not_existing_places() -> None:
    problem = line_problem(
        existing_xy_m=np.array([[0.0, 0.0]]), forced=frozenset({"a"}), excluded=frozenset({"c"})
    )
    region = problem.limited_to(demand_ags={"B", "C"}, candidate_ags={"C", "D"})
    assert region.candidates.ids == ("c", "d")
    assert (region.forced, region.excluded) == (frozenset(), frozenset({"c"}))
    result = solve(region, Goal("mclp", sites=5))
    assert (result.people, result.before, result.after) == (500.0, 200.0, 500.0)
    assert [site.id for site in result.sites] == ["d"]


def test_no_candidate_is_an_answer_not_an_error() -> None:
    problem = line_problem(candidates=line_problem().candidates.take(np.array([], dtype=int)))
    result = solve(problem, Goal("mclp", sites=3))
    assert (result.sites, result.value, result.curve) == ((), 0.0, ())
    with pytest.raises(QueryError, match="neither"):
        solve(problem, Goal("pmedian", sites=1))


# ---------------------------------------------------------------------------- properties


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_order_of_the_input_has_no_say(goal: Goal) -> None:
    problem = random_problem(7, points=40, choices=25)
    random = np.random.default_rng(0)
    points, rows = random.permutation(40), random.permutation(25)
    shuffled = dataclasses.replace(
        problem,
        demand_xy_m=problem.demand_xy_m[points],
        people=problem.people[points],
        demand_ags=problem.demand_ags[points],
        existing_xy_m=problem.existing_xy_m[::-1],
        candidates=problem.candidates.take(rows),
    )
    for way in (solve_greedy, solve):
        one, other = (dataclasses.replace(way(p, goal), seconds=0.0) for p in (problem, shuffled))
        assert repr(one) == repr(other), "as text, for NaN is unlike itself"


@pytest.mark.parametrize("objective", ["mclp", "pmedian"])
def test_more_sites_are_never_worse(objective: Any) -> None:
    problem = random_problem(11, points=40, choices=12, existing=1)
    results = [solve(problem, Goal(objective, sites=k)) for k in range(1, 13)]
    after = [r.after if objective == "mclp" else -r.after for r in results]
    assert after == sorted(after)


def test_a_higher_share_never_needs_fewer_sites() -> None:
    problem = random_problem(12, points=40, choices=40)
    results = [solve(problem, Goal("lscp", share=share)) for share in (0.3, 0.5, 0.7, 0.8)]
    counts = [result.value for result in results if result.target_met]
    assert counts == sorted(counts)
    assert counts


def test_the_next_sites_of_the_land_are_proven_best(territory: Territory) -> None:
    land = land_problem(territory)
    result = solve(land, Goal("mclp", sites=10), time_limit_s=PATIENT_S)
    assert result.is_optimal
    assert result.value == 2_030_487, "spopt's optimum, by scripts/bench_siting.py"
    check_explained(land, result)


def test_a_gap_is_shown_when_time_is_over(territory: Territory) -> None:
    land = land_problem(territory)
    quick = solve_greedy(land, Goal("mclp", sites=50))
    result = solve(land, Goal("mclp", sites=50), time_limit_s=0.2)
    assert result.value >= quick.value
    assert 0 < result.gap < 0.2 * result.bound
    assert result.gap == result.bound - result.value
    assert result.gap_share == result.gap / result.bound
    assert not result.is_optimal


# -------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("objective", "sites", "share"),
    [
        ("mclp", 0, None),
        ("mclp", 51, None),
        ("pmedian", None, None),
        ("mclp", 3, 0.5),
        ("lscp", None, 0.0),
        ("lscp", None, 1.1),
        ("lscp", 3, 0.5),
        ("other", 3, None),
    ],
)
def test_a_goal_out_of_range_is_refused(objective: Any, sites: Any, share: Any) -> None:
    with pytest.raises(QueryError):
        Goal(objective, sites=sites, share=share)


@pytest.mark.parametrize(
    "changes",
    [
        {"radius_m": 0.0},
        {"radius_m": math.nan},
        {"people": np.array([1.0, 2.0, -3.0, 4.0])},
        {"people": np.array([1.0, 2.0, np.inf, 4.0])},
        {"people": np.ones(3)},
        {"demand_xy_m": np.full((4, 2), np.nan)},
        {"forced": frozenset({"z"})},
        {"forced": frozenset({"a"}), "excluded": frozenset({"a"})},
        {"candidates": Candidates(("a", "a"), np.zeros((2, 2)), ("A", "A"), (None, None))},
        {"candidates": Candidates(("a", "b"), np.zeros((2, 2)), ("A",), (None, None))},
    ],
    ids=str,
)
def test_a_problem_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        line_problem(**changes)


def test_what_only_the_goal_shows_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueryError, match="forced"):
        solve(line_problem(forced=frozenset({"a", "b"})), Goal("mclp", sites=1))
    with pytest.raises(QueryError, match="nobody"):
        solve(line_problem(people=np.full(4, np.nan)), Goal("mclp", sites=1))
    with pytest.raises(QueryError, match="time_limit_s"):
        solve(line_problem(), Goal("mclp", sites=1), time_limit_s=0)
    monkeypatch.setattr("geo_service.siting.problem.MAX_PAIRS", 5)
    for goal in (Goal("mclp", sites=1), Goal("pmedian", sites=1)):
        with pytest.raises(QueryError, match="pairs"):
            solve(line_problem(), goal)


# ----------------------------------------------------------------------- its own process


def hard_problem() -> tuple[SitingProblem, Goal]:
    """A problem whose quick bound leaves a gap."""
    return random_problem(3, points=120, choices=60, existing=0, radius_m=1_500.0), Goal(
        "mclp", sites=9
    )


def test_a_process_of_its_own_gives_the_same_answer() -> None:
    problem, goal = hard_problem()
    assert not solve_greedy(problem, goal).is_optimal
    apart = solve_in_process(problem, goal, time_limit_s=PATIENT_S)
    here = solve(problem, goal, time_limit_s=PATIENT_S)
    assert apart.method == "exact"
    assert dataclasses.replace(apart, seconds=0.0) == dataclasses.replace(here, seconds=0.0)


def test_a_known_greedy_answer_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, goal = hard_problem()
    quick = solve_greedy(problem, goal)
    monkeypatch.setattr(child, "_START", "raise SystemExit(9)")
    monkeypatch.setattr(child, "solve_greedy", lambda *_: pytest.fail("made again"))
    assert solve_in_process(problem, goal, quick=quick) is quick


@pytest.mark.parametrize("program", ["import time; time.sleep(60)", "raise SystemExit(9)"])
def test_a_process_that_fails_or_is_late_leaves_the_greedy_answer(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_START", program)
    problem, goal = hard_problem()
    result = solve_in_process(problem, goal, time_limit_s=0.2, grace_s=0.3)
    assert result.method == "greedy"
    assert not result.is_optimal
    quick = solve_greedy(problem, goal)
    assert dataclasses.replace(result, seconds=0.0) == dataclasses.replace(quick, seconds=0.0)


def test_other_threads_go_on_while_it_is_solved(
    territory: Territory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HiGHS gives up Python's lock: a web worker's other threads answer meanwhile."""
    stop = threading.Event()
    turns = 0
    turns_during: list[int] = []

    def count_turns() -> None:
        nonlocal turns
        while not stop.wait(0.001):
            turns += 1

    def counted(*args: Any, **options: Any) -> Any:
        before = turns
        found = milp(*args, **options)
        turns_during.append(turns - before)
        return found

    monkeypatch.setattr(exact, "milp", counted)
    thread = threading.Thread(target=count_turns)
    thread.start()
    try:
        solve(land_problem(territory), Goal("mclp", sites=30), time_limit_s=2.0)
    finally:
        stop.set()
        thread.join()
    assert max(turns_during) > 0


def test_exchanges_stop_when_their_time_is_over() -> None:
    """Where many sites make each exchange long, HiGHS must still have its turn."""
    model = build_model(random_problem(3, points=60, choices=30, existing=0), GOALS[1])
    sites = np.array([0, 1, 2])
    assert model.worth(exchange(model, sites)) > model.worth(sites)
    assert exchange(model, sites, deadline=0.0).tolist() == [0, 1, 2]
