"""What the planners' operations share: their common parameters, and these as a planner's choice.

The figures themselves come from `web.planning`, which the pages and files take them from.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from geo_service.schema import CATEGORIES, PRECISIONS, THEMES
from geo_service.web.api.parameters import ParameterError, choice, pattern, whole_number
from geo_service.web.api.territory import AREA_KEY, EXPECTED_AREA, area_of
from geo_service.web.planning.query import Choice
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geo_service.web.api.operations import Asked
    from geo_service.web.site import View

__all__ = ["PARAMETERS", "as_problems", "choice_of", "described_choice", "known_slug"]

SLUG: Final = "[a-z0-9-]{1,100}"
_WITHIN: Final = "the key of the Land, a Kreis or a Verbandsgemeinde (/api/v1/areas lists them)"

PARAMETERS: Final = (
    whole_number(
        "radius_m",
        100,
        100_000,
        "How many metres as the crow flies count as near.",
        default=5_000,
        example=3_000,
    ),
    choice(
        "category",
        CATEGORIES,
        "Only places of this category count. Several widen the choice.",
        many="repeat",
        default=(),
        example=["Begegnungscafé"],
    ),
    choice(
        "theme",
        THEMES,
        "Only places of this Leitthema count. Several widen the choice.",
        many="repeat",
        default=(),
    ),
    choice(
        "minimum_precision",
        reversed(PRECISIONS),
        "Only places whose point is at least so exact count; by default all.",
        default="municipality",
    ),
    whole_number(
        "current_within_months",
        1,
        1200,
        "Only places stated or confirmed within so many months count; those without any date"
        " do not. All where it is missing.",
        example=24,
    ),
    pattern(
        "demand",
        SLUG,
        "the name of a loaded demand",
        "Whose people count: a demand that the operator loaded; the population where it is"
        " missing.",
        example="schutzsuchende-2024",
    ),
    pattern(
        "within",
        AREA_KEY,
        EXPECTED_AREA,
        "Only the areas in this Kreis (5 digits) or Verbandsgemeinde (9), by its key. Places"
        " beyond its border reach people within.",
        example="07131",
    ),
)
"""Which places count, for whom, how near and where."""


def choice_of(view: View, asked: Asked, **more: Any) -> Choice:
    """Return the planners' choice that parameters mean; `more` are further parts of it.

    Raises
    ------
    ParameterError
        If there is no such area or demand.
    """
    precision = asked["minimum_precision"]
    demands = [one.slug for one in view.snapshot.demands]
    return Choice(
        radius_km=asked["radius_m"] / 1000,
        kinds=tuple(sorted(asked["category"])),
        themes=tuple(sorted(asked["theme"])),
        precision=None if precision == "municipality" else precision,
        current_months=asked["current_within_months"],
        area=_within(view, asked["within"]) if asked["within"] else "",
        demand=known_slug("demand", asked["demand"], demands, "a loaded demand"),
        **more,
    )


def described_choice(chosen: Choice) -> dict[str, Any]:
    """Return what was asked, defaults included, by the names of the parameters."""
    return {
        "radius_m": round(chosen.radius_km * 1000),
        "category": list(chosen.categories),
        "theme": list(chosen.themes),
        "minimum_precision": chosen.precision or "municipality",
        "current_within_months": chosen.current_months,
        "demand": chosen.demand or None,
        "within": chosen.area or None,
    }


def known_slug(parameter: str, slug: str | None, known: list[str], what: str) -> str:
    """Return the name of something loaded, empty where none was asked for.

    Raises
    ------
    ParameterError
        If there is none of this name (404).
    """
    if slug is None or slug in known:
        return slug or ""
    there = f" ({', '.join(known)})" if known else ", of which there is none here"
    raise ParameterError(parameter, f"the name of {what}{there}", slug, status=404)


@contextmanager
def as_problems(asked: Asked, refusals: Mapping[str, tuple[str, str, int]]) -> Iterator[None]:
    """Tell what the planners' pages refuse in German by the names that programs use.

    Parameters
    ----------
    asked
        What was asked for.
    refusals
        For a parameter of the pages: the one here, what it expects, and the status.

    Raises
    ------
    ParameterError
        If what happens inside is refused.
    """
    try:
        yield
    except AddressError as error:
        parameter, expected, status = refusals[error.parameter]
        got = asked[parameter]
        said = ", ".join(map(str, got)) if isinstance(got, tuple) else str(got)
        raise ParameterError(parameter, expected, said if got else None, status=status) from None


def _within(view: View, key: str) -> str:
    """Return the key of a Kreis or Verbandsgemeinde, empty for the Land."""
    area = area_of(view, key, "within")
    if area.level == "land":
        return ""
    if len(area.key) not in (5, 9):
        raise ParameterError("within", _WITHIN, key, status=409)
    return area.key
