"""Which dated states are compared, read from the address, and what each of them counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from werkzeug.datastructures import MultiDict

from geo_service.coverage import METHOD
from geo_service.formats import german_date, german_number, german_percent, last_months
from geo_service.snapshot import CURRENT, parameters_of
from geo_service.web.planning.query import (
    PRECISION_NAMES,
    Choice,
    plain_number,
    query_pairs,
    read_choice,
)
from geo_service.web.queries import AddressError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geo_service.store import StateSummary

__all__ = [
    "StateChoice",
    "choice_of",
    "describe_absence",
    "describe_loss",
    "describe_state",
    "may_differ",
    "read_states",
    "shown_of",
    "state_label",
    "were_erased",
]

_MAX_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class StateChoice:
    """What is compared: a dated state with a later one, or with the present.

    `shown` is what `shown_of` leaves of a choice.
    """

    old: StateSummary
    new: StateSummary | None
    shown: Choice

    @property
    def key(self) -> tuple[str, str]:
        """Return what the measuring depends on, besides the present and its day."""
        return self.old.slug, self.new.slug if self.new else CURRENT

    def query(self, **changes: object) -> str:
        """Return the query string, the same for the same comparison."""
        old, new = self.key
        shown = replace(self.shown, **changes)  # type: ignore[arg-type]
        pairs = [("von", old), *([("bis", new)] if self.new else []), *query_pairs(shown)]
        return f"?{urlencode(pairs, quote_via=quote, safe=',;/')}"


def read_states(
    args: MultiDict[str, str], shown: Choice, states: Sequence[StateSummary]
) -> StateChoice | None:
    """Read which states are compared; None where no first one is given.

    Raises
    ------
    AddressError
        If there is no such state, or the second is not the later one.
    """
    old = _read_state(args, "von", states)
    if old is None:
        return None
    new = None if args.get("bis", "") == CURRENT else _read_state(args, "bis", states)
    if new is not None and (new.taken_at, new.slug) <= (old.taken_at, old.slug):
        raise AddressError(
            "bis",
            f"Angabe „bis“: Erwartet wird ein späterer Stand als „{old.name}“ oder „{CURRENT}“;"
            f" gekommen ist „{new.name}“.",
        )
    return StateChoice(old, new, shown)


def shown_of(choice: Choice) -> Choice:
    """Return what a comparison uses of a choice: its level, indicator, area and page.

    The rest is that of the first state. What is kept by it has an end, unlike scenarios.
    """
    return Choice(
        level=choice.level,
        indicator_name=choice.indicator_name,
        area=choice.area,
        page=choice.page,
    )


def _read_state(
    args: MultiDict[str, str], name: str, states: Sequence[StateSummary]
) -> StateSummary | None:
    given = {text.strip() for text in args.getlist(name) if text.strip()}
    if not given:
        return None
    found = [state for state in states if given & {state.slug, state.name}]
    if len(given) == 1 and len(found) == 1:
        return found[0]
    known = ", ".join(state.slug for state in states[-20:]) or "noch keiner festgehalten"
    came = ", ".join(sorted(given))
    shown = f"{came[:_MAX_SHOWN]}{'…' if len(came) > _MAX_SHOWN else ''}"
    raise AddressError(
        name,
        f"Angabe „{name}“: Erwartet wird ein festgehaltener Stand ({known}); gekommen ist"
        f" „{''.join(one if one.isprintable() else '�' for one in shown)}“.",
    )


def describe_state(state: StateSummary) -> str:
    """Say whom and what a state counts, and within which distance."""
    parameters = parameters_of(state)
    usual = type(parameters)()
    said = [f"Umkreis {plain_number(parameters.radius_m / 1000)} km"]
    said += [*parameters.categories, *parameters.themes]
    if parameters.minimum_precision:
        said.append(dict(PRECISION_NAMES.values())[parameters.minimum_precision])
    if parameters.current_within_months:
        span = last_months(parameters.current_within_months)
        said.append(f"{span} angegeben oder bestätigt")
    if parameters.gap_share != usual.gap_share:
        said.append(f"Lücke unter {german_percent(parameters.gap_share, 0)}")
    if state.people:
        said.append(f"Bedarf: {state.people}")
    return ", ".join(said)


def choice_of(state: StateSummary) -> Choice | None:
    """Return the choice whose figures are those published; None where no address leads to them."""
    if may_differ(state):
        return None
    parameters = parameters_of(state)
    choice = Choice(
        radius_km=parameters.radius_m / 1000,
        kinds=tuple(sorted(set(parameters.categories))),
        themes=tuple(sorted(set(parameters.themes))),
        precision=parameters.minimum_precision,
        current_months=parameters.current_within_months,
        state=state.slug,
    )
    try:
        read = read_choice(MultiDict(query_pairs(choice)), areas=(), states=[state.slug])
    except AddressError:
        return None
    ordered = replace(
        parameters,
        radius_m=round(parameters.radius_m, 3),
        categories=choice.categories,
        themes=choice.themes,
    )
    return choice if read == choice and choice.parameters == ordered else None


def may_differ(state: StateSummary) -> bool:
    """Say whether a state measured again may have other figures than those published."""
    return state.erased > 0 or state.method != METHOD


def state_label(state: StateSummary) -> str:
    """Name a state with its day."""
    return f"„{state.name}“ vom {german_date(state.today)}"


def describe_loss(state: StateSummary, *, by_name: bool = False) -> str:
    """Say why a state measured again may have other figures than those published, else nothing."""
    itself, of_it = ("er", "diesem Stand") if not by_name else (f"„{state.name}“",) * 2
    said = f"Hier ist {itself} neu gemessen; die veröffentlichten Zahlen können andere sein."
    return " ".join([*_reasons(state, of_it), said]) if may_differ(state) else ""


def describe_absence(state: StateSummary, boundaries: Mapping[str, str]) -> str:
    """Say why no page has the figures of a state; empty where `choice_of` leads to one."""
    if state.boundaries != boundaries:
        return "In anderen Grenzen gemessen: Hier lassen sich seine Zahlen nicht zeigen."
    if may_differ(state):
        said = "Neu gemessen können seine Zahlen andere sein als die veröffentlichten."
        return " ".join([*_reasons(state, "diesem Stand"), said])
    if choice_of(state):
        return ""
    short = parameters_of(state).radius_m < 100
    return f"So misst keine Seite{': Der kürzeste Umkreis ist dort 0,1 km' if short else ''}."


def _reasons(state: StateSummary, named: str) -> list[str]:
    """Say why the published figures may be others."""
    reasons = []
    if state.erased:
        reasons.append(f"Aus {named} {were_erased(state.erased)} gelöscht.")
    if state.method != METHOD:
        reasons.append("Die Methode hat sich seither geändert.")
    return reasons


def were_erased(count: int) -> str:
    """Say how many records went, before „gelöscht“."""
    if count == 1:
        return "wurde seither 1 Eintrag"
    return f"wurden seither {german_number(count)} Einträge"
