"""Siting: where the next places should be, so that most people are reached or ways are short.

`SitingProblem` and `Goal` say what is asked; `solve_greedy` answers in milliseconds, `solve`
finds the best answer within a time limit and says how far from proven it is, and
`solve_in_process` does so in a process of its own, with an end that holds. Begin with
`problem.py`. The models, with formulas and limits, are docs/siting.md.
"""

from __future__ import annotations

from geo_service.siting.child import solve_in_process
from geo_service.siting.explanation import CurvePoint, Replacement, Site, SitingResult
from geo_service.siting.problem import (
    MAX_PAIRS,
    MAX_SITES,
    OBJECTIVES,
    Candidates,
    Goal,
    Objective,
    SitingProblem,
)
from geo_service.siting.solving import solve, solve_greedy

__all__ = [
    "MAX_PAIRS",
    "MAX_SITES",
    "OBJECTIVES",
    "Candidates",
    "CurvePoint",
    "Goal",
    "Objective",
    "Replacement",
    "Site",
    "SitingProblem",
    "SitingResult",
    "solve",
    "solve_greedy",
    "solve_in_process",
]
