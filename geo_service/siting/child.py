"""Solve in a process of its own, so that time and memory are bounded whatever HiGHS does.

HiGHS gives up Python's lock while it works, so threads of the caller go on; but it looks at
its clock only between its own steps and cannot be interrupted. A process can be ended.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from geo_service.siting.solving import solve, solve_greedy

if TYPE_CHECKING:
    from geo_service.siting.explanation import SitingResult
    from geo_service.siting.problem import Goal, SitingProblem

__all__ = ["main", "solve_in_process"]

_ROOT: Final = str(Path(__file__).resolve().parents[2])
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from geo_service.siting.child import main; main()"
)
_GRACE_S: Final = 3.0
"""For starting Python, building the model and handing over the answer."""
_MEMORY_BYTES: Final = 3_000_000_000


def solve_in_process(
    problem: SitingProblem,
    goal: Goal,
    *,
    quick: SitingResult | None = None,
    time_limit_s: float = 10.0,
    grace_s: float = _GRACE_S,
) -> SitingResult:
    """Answer as `solve` does, from a child that is ended `grace_s` after the time limit.

    `quick` is what `solve_greedy` says to the same problem, if that is known already.

    Where the child was ended, or came to no end for want of memory, the answer is that of
    `solve_greedy`, and says so in `method`.

    Raises
    ------
    QueryError
        If the problem is too large, or contradicts itself; see `build_model`.
    """
    quick = quick or solve_greedy(problem, goal)
    if quick.is_optimal or not quick.target_met:
        return quick
    # -I: neither the environment nor the working folder has a say in the child.
    command = [sys.executable, "-I", "-c", _START, _ROOT]
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and module, no shell)
            command,
            input=pickle.dumps((problem, goal, time_limit_s)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=time_limit_s + grace_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return quick
    if done.returncode != 0:
        return quick
    result: SitingResult = pickle.loads(done.stdout)  # noqa: S301 (our own child wrote it)
    return result


def main() -> None:
    """Read a problem from standard input, write its result to standard output."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    problem, goal, time_limit_s = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our parent)
    sys.stdout.buffer.write(pickle.dumps(solve(problem, goal, time_limit_s=time_limit_s)))
