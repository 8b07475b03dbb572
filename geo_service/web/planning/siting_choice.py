"""What planners ask of siting, and its form in an address (docs/planning.md, "Standorte")."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from geo_service.siting import MAX_SITES, Goal, Objective
from geo_service.web.planning.query import (
    DECIMAL,
    Choice,
    plain_number,
    query_pairs,
    read_listed,
    read_single,
    read_whole,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.datastructures import MultiDict

    from geo_service.web.search import Located

__all__ = [
    "OBJECTIVES",
    "SitingChoice",
    "normalised",
    "read_siting",
    "siting_pairs",
    "siting_query",
]

OBJECTIVES: Final[Mapping[str, tuple[Objective, str]]] = {
    "erreichen": ("mclp", "möglichst viele Menschen zusätzlich erreichen"),
    "abdecken": ("lscp", "mit möglichst wenigen Orten einen Anteil erreichen"),
    "entfernung": ("pmedian", "die mittlere Entfernung möglichst verkürzen"),
}
"""What is sought, by the name that addresses call it."""

_MAX_NAME: Final = 100
_MAX_NAMES: Final = 200
_MAX_TEXT: Final = 4_000
_NAMED: Final = 6
_LAND: Final = "land"


@dataclass(frozen=True, slots=True)
class SitingChoice:
    """What is asked; equal choices have equal answers and equal addresses.

    `base` says which places count, for whom, the radius and the region. `share` is in per
    cent. `everyone`: people beyond the region count too. `excluded` and `forced` are keys of
    municipalities. `exact`: solved within the time limit, not only quickly.
    """

    base: Choice = field(default_factory=Choice)
    objective_name: str = "erreichen"
    sites: int = 5
    share: float = 90.0
    everyone: bool = False
    excluded: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    exact: bool = False

    @property
    def objective(self) -> Objective:
        """Return the model."""
        return OBJECTIVES[self.objective_name][0]

    @property
    def goal(self) -> Goal:
        """Return what to look for."""
        if self.objective == "lscp":
            return Goal("lscp", share=self.share / 100)
        return Goal(self.objective, sites=self.sites)

    @property
    def quick(self) -> SitingChoice:
        """Return the same question, to be answered quickly."""
        return replace(self, exact=False)


def read_siting(
    args: MultiDict[str, str],
    base: Choice,
    *,
    names: Mapping[str, str],
    locate: Callable[[str], Located],
) -> SitingChoice:
    """Read what is asked; empty counts as not given.

    Parameters
    ----------
    args
        The parameters of the request.
    base
        What `read_choice` made of them.
    names
        The municipalities: key -> name.
    locate
        Finds what a text means; several municipalities are parted by semicolons.

    Raises
    ------
    AddressError
        If a parameter cannot be meant, or contradicts another.
    """
    excluded, forced = (_towns(args, name, names, locate) for name in ("ausser", "mit"))
    objective = read_listed(args, "ziel", OBJECTIVES, "erreichen")
    usual = SitingChoice()
    choice = SitingChoice(
        base=_plain(base),
        objective_name=objective,
        sites=read_whole(args, "k", 1, MAX_SITES, "Orte") or usual.sites,
        share=_read_share(args),
        everyone=read_listed(args, "menschen", ("gebiet", _LAND), "gebiet") == _LAND,
        excluded=excluded,
        forced=forced,
        exact=read_listed(args, "genau", ("0", "1"), "0") == "1",
    )
    both = sorted(set(excluded) & set(forced))
    if both:
        raise refuse("mit", "keine ausgeschlossene Gemeinde", names[both[0]])
    if choice.objective != "lscp" and len(forced) > choice.sites:
        raise refuse("mit", f"höchstens so viele Gemeinden wie Orte ({choice.sites})",
                       f"{len(forced)}")  # fmt: skip
    return normalised(choice)


def siting_pairs(choice: SitingChoice) -> list[tuple[str, str]]:
    """Return the parameters of a question in a fixed order, defaults left out."""
    usual = SitingChoice()
    pairs = [
        ("ziel", choice.objective_name if choice.objective_name != usual.objective_name else ""),
        ("k", str(choice.sites) if choice.sites != usual.sites else ""),
        ("anteil", plain_number(choice.share) if choice.share != usual.share else ""),
        ("menschen", _LAND if choice.everyone else ""),
        *(("ausser", ags) for ags in choice.excluded),
        *(("mit", ags) for ags in choice.forced),
        ("genau", "1" if choice.exact else ""),
    ]
    return [*query_pairs(choice.base), *((name, value) for name, value in pairs if value)]


def siting_query(choice: SitingChoice, **changes: Any) -> str:
    """Return the query string of a question: always the same text for the same question.

    >>> siting_query(SitingChoice(sites=3), exact=True)
    '?k=3&genau=1'
    """
    pairs = siting_pairs(normalised(replace(choice, **changes)))
    return f"?{urlencode(pairs, quote_via=quote, safe=',;/*')}" if pairs else ""


def _plain(choice: Choice) -> Choice:
    """Keep what siting depends on: which places, of a scenario too, whose people, and where."""
    return replace(
        Choice(),
        radius_km=choice.radius_km,
        kinds=choice.kinds,
        themes=choice.themes,
        precision=choice.precision,
        current_months=choice.current_months,
        area=choice.area,
        demand=choice.demand,
        scenario=choice.scenario,
    )


def normalised(choice: SitingChoice) -> SitingChoice:
    """Leave out what says nothing."""
    usual = SitingChoice()
    is_cover = choice.objective == "lscp"
    return replace(
        choice,
        sites=usual.sites if is_cover else choice.sites,
        share=choice.share if is_cover else usual.share,
        everyone=choice.everyone and bool(choice.base.area),
    )


def _read_share(args: MultiDict[str, str]) -> float:
    text = read_single(args, "anteil").removesuffix("%").strip()
    if not text:
        return SitingChoice().share
    if DECIMAL.fullmatch(text) and 0 < float(text.replace(",", ".")) <= 100:
        return float(text.replace(",", "."))
    raise refuse("anteil", "eine Zahl über 0 bis 100 (Prozent)", text)


def _towns(
    args: MultiDict[str, str],
    name: str,
    names: Mapping[str, str],
    locate: Callable[[str], Located],
) -> tuple[str, ...]:
    values = args.getlist(name)
    if sum(map(len, values)) > _MAX_TEXT:
        raise refuse(name, f"höchstens {_MAX_TEXT} Zeichen", f"{sum(map(len, values))}")
    texts = [part.strip() for value in values for part in value.split(";") if part.strip()]
    if len(texts) > _MAX_NAMES:
        raise refuse(name, f"höchstens {_MAX_NAMES} Gemeinden", f"{len(texts)}")
    found = {text if text in names else _town(text, name, locate) for text in texts}
    return tuple(sorted(found))


def _town(text: str, name: str, locate: Callable[[str], Located]) -> str:
    if len(text) > _MAX_NAME:
        raise refuse(name, f"je Gemeinde höchstens {_MAX_NAME} Zeichen", f"{len(text)}")
    located = locate(text)
    if located.spot is not None and located.spot.ags is not None:
        return located.spot.ags
    expected = "der Name oder Schlüssel einer Gemeinde"
    if located.options:
        expected += f" (gemeint sein kann: {'; '.join(located.options[:_NAMED])})"
    raise refuse(name, expected, text)
