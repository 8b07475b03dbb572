"""What the page of one place says besides its card.

Opening hours by day, where its point comes from, what lies near it, how to get there, and
its data for search engines.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import numpy as np

from geo_service.opening_hours import Hours, opens_on, parse_hours, times_on
from geo_service.web import wording
from geo_service.web.filters import round_km
from geo_service.web.search import Spot
from geo_service.web.wording import N_, gettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.opening_hours import OpenTime
    from geo_service.schema import Initiatives
    from geo_service.web.filters import PlaceIndex
    from geo_service.web.places import Place

__all__ = [
    "Day",
    "Near",
    "Proof",
    "Week",
    "geo_link",
    "json_ld",
    "nearest",
    "osm_link",
    "read_proofs",
    "read_week",
    "spot_of",
    "usual_week",
]

# ------------------------------------------------------------------------ opening hours

_ONE_DAY: Final = dt.timedelta(days=1)
_DAYS: Final = 7
_ORDINARY_MONDAY: Final = dt.date(2025, 1, 13)
"""A week without holidays."""

_NOT_WEEKLY: Final = re.compile(r"\[|PH|unknown|24/7")
"""What makes a rule differ between weeks, or uncertain."""


@dataclass(frozen=True, slots=True)
class Day:
    """One of the coming days: its date, and its hours in words."""

    date: dt.date
    text: str
    today: bool

    @property
    def name(self) -> str:
        """Return the weekday."""
        return wording.weekday(self.date.weekday())


@dataclass(frozen=True, slots=True)
class Week:
    """The coming seven days of a place whose hours are certain, and what to note beside."""

    days: tuple[Day, ...]
    offer: str | None
    note: str | None
    as_of: str | None


def read_week(text: str | None, today: dt.date) -> Week | None:
    """Return the coming days of a text of opening hours; None where they are not certain."""
    hours = parse_hours(text) if text else Hours("")
    if hours.rule is None:
        return None
    days = tuple(_day(hours.rule, today + step * _ONE_DAY, today) for step in range(_DAYS))
    return Week(days, hours.offer, hours.note, hours.as_of)


def usual_week(text: str | None) -> tuple[str | None, str | None]:
    """Say the hours of every ordinary week in a line; None where weeks differ or none is certain.

    Beside it, what the text says of offer, arrangement and age in its own words; None if nothing.
    """
    hours = parse_hours(text) if text else Hours("")
    if hours.rule is None or _NOT_WEEKLY.search(hours.rule.removesuffix(" || unknown")):
        return None, None
    runs: list[tuple[list[int], str]] = []
    for weekday in range(_DAYS):
        times = times_on(hours.rule, _ORDINARY_MONDAY + weekday * _ONE_DAY)
        said = wording.listed(map(_span, times))
        if runs and runs[-1][1] == said:
            runs[-1][0].append(weekday)
        else:
            runs.append(([weekday], said))
    week = wording.parted(f"{_weekdays(days)} {said}" for days, said in runs if said)
    if hours.as_of and not hours.dated_in_note:
        dated = gettext("Angabe %(date)s", date=wording.date(hours.as_of))
        week = f"{week} ({dated})"
    return week, hours.remark


def _weekdays(days: list[int]) -> str:
    """Name weekdays that follow one another."""
    names = [wording.weekday(day) for day in days]
    return f"{names[0]}–{names[-1]}" if len(names) > 2 else wording.listed(names)


def _span(time: OpenTime) -> str:
    start, end = wording.clock(time.start.time()), wording.clock(time.end.time())
    if time.end.time() == dt.time():
        end = wording.clock("24:00")
    return gettext("ab %(time)s Uhr", time=start) if time.open_end else f"{start}–{end}"


def _day(rule: str, date: dt.date, today: dt.date) -> Day:
    said = []
    for time in times_on(rule, date):
        span = _span(time)
        unsure = time.state == "unknown" and not time.open_end
        said.append(gettext("vielleicht %(hours)s", hours=span) if unsure else span)
    if not said:
        closed = opens_on(rule, date) is False
        said = [gettext("geschlossen") if closed else gettext("Dazu wissen wir nichts.")]
    return Day(date, wording.listed(said), date == today)


# ------------------------------------------------------------------------------- proof

_EXACT: Final = {
    "address": N_("auf das Haus genau"),
    "street": N_("auf die Straße genau"),
    "postcode": N_("auf das Gebiet der Postleitzahl genau"),
    "locality": N_("auf den Ortsteil genau"),
    "municipality": N_("nur auf die Gemeinde genau: der Punkt ist ihre Mitte"),
}
_CHECKS: Final = {
    "match": N_("Der Punkt liegt in der Gemeinde, die der Eintrag nennt."),
    "mismatch": N_("Achtung: Der Punkt liegt nicht in der Gemeinde, die der Eintrag nennt."),
    "unstated": N_("Der Eintrag nennt keine Gemeinde. Darum ließ sich das nicht prüfen."),
}
_MISSING: Final = {
    "not_found": N_("Zu diesem Eintrag haben wir keinen Punkt gefunden."),
    "ambiguous": N_("Mehrere Orte heißen so. Welcher gemeint ist, sagt der Eintrag nicht."),
    "failed": N_("Die Suche nach dem Punkt hat nicht geklappt. Wir versuchen es wieder."),
}
_SURE: Final = (
    (0.99, N_("sicher")),
    (0.85, N_("sehr wahrscheinlich richtig")),
    (0.65, N_("wahrscheinlich richtig")),
    (0.0, N_("unsicher")),
)
"""How sure a match is, in words, from which score on."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the point of one record comes from; None is unknown. All fields are codes."""

    status: str
    precision: str | None
    score: float | None
    date: str | None
    check: str | None

    @property
    def missing(self) -> str | None:
        """Say why there is no point; None where there is one."""
        if self.status == "found":
            return None
        return gettext(_MISSING.get(self.status.partition(":")[0], _MISSING["not_found"]))

    @property
    def exact(self) -> str | None:
        """Say how exact the point is."""
        return gettext(_EXACT[self.precision]) if self.precision in _EXACT else None

    @property
    def sure(self) -> str | None:
        """Say how sure it is that the right place was found."""
        if self.score is None:
            return None
        words = next(text for least, text in _SURE if self.score >= least)
        percent = wording.percent(self.score, 0)
        return gettext("%(words)s (%(percent)s)", words=gettext(words), percent=percent)

    @property
    def dated(self) -> str | None:
        """Return as of when the source of the point is."""
        return wording.date(self.date) or None

    @property
    def checked(self) -> str | None:
        """Say whether the point lies in the municipality that the record names."""
        return gettext(_CHECKS[self.check]) if self.check in _CHECKS else None


def read_proofs(initiatives: Initiatives) -> Mapping[str, Proof]:
    """Return the proof of every record by its id."""
    columns = initiatives[
        [
            "id",
            "coordinate_status",
            "coordinate_precision",
            "coordinate_score",
            "coordinate_date",
            "municipality_check",
        ]
    ]
    rows = columns.astype(object).where(columns.notna(), None)
    return {row[0]: Proof(*row[1:]) for row in rows.itertuples(index=False, name=None)}


# -------------------------------------------------------------------------- what is near


@dataclass(frozen=True, slots=True)
class Near:
    """A place and, in words, how far it is."""

    place: Place
    distance: str


def spot_of(place: Place) -> Spot | None:
    """Return the point of a place to measure from; None if it has none."""
    if place.lon is None or place.lat is None:
        return None
    return Spot(place.lon, place.lat, "point", place.name, ags=place.ags)


def nearest(
    index: PlaceIndex, spot: Spot, *, count: int, rough: bool, but: str | None = None
) -> tuple[Near, ...]:
    """Return the places with a point that are nearest to `spot`, as the crow flies.

    Parameters
    ----------
    index
        All places.
    spot
        Where to measure from.
    count
        How many to return at most.
    rough
        Whether `spot` stands for a whole town; then no distance is exact.
    but
        Id of a place to leave out.
    """
    metres = index.distances_m(spot)
    found = []
    for number in np.argsort(metres, kind="stable")[: count + 1]:
        place = index.places[int(number)]
        if place.placed and place.id != but:
            found.append(Near(place, _distance(float(metres[number]), place, spot, rough)))
    return tuple(found[:count])


def _distance(length_m: float, place: Place, spot: Spot, rough: bool) -> str:
    """Say how far a place is; inside one town a rough point has no distance."""
    if not rough and not place.rough:
        return wording.distance(length_m)
    if place.ags is not None and place.ags == spot.ags:
        return gettext("im selben Ort")
    return gettext("etwa %(length)s km", length=wording.number(round_km(length_m)))


# ------------------------------------------------------------------------- getting there


def geo_link(place: Place) -> str | None:
    """Return a ``geo:`` address (RFC 5870), which opens a phone's own map app.

    Where the street is not known, it asks for the town by name and not for a point that
    nobody can visit.
    """
    if place.lon is None or place.lat is None:
        return None
    at = f"{place.lat:.6f},{place.lon:.6f}"
    if place.rough:
        wanted = ", ".join(filter(None, (place.street, place.locality or place.municipality)))
        return f"geo:{at}?q={quote(wanted, safe='')}" if wanted else f"geo:{at}"
    return f"geo:{at}?q={at}({quote(place.name[:100], safe='')})"


def osm_link(place: Place) -> str | None:
    """Return the way to the place on OpenStreetMap; of a rough one, the map around it."""
    if place.lon is None or place.lat is None:
        return None
    at = f"{place.lat:.5f}/{place.lon:.5f}"
    if place.rough:
        return f"https://www.openstreetmap.org/#map=13/{at}"
    to = f"{place.lat:.5f}%2C{place.lon:.5f}"
    return f"https://www.openstreetmap.org/directions?from=&to={to}#map=17/{at}"


# ----------------------------------------------------------------------- search engines

_SITES: Final = frozenset({"begegnung", "haus"})
"""Groups whose places are buildings to visit; the others are organisations."""


_DAY: Final = "(?:Mo|Tu|We|Th|Fr|Sa|Su)"
_SPAN: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_WEEKLY: Final = re.compile(rf"({_DAY}(?:[,-]{_DAY})*) ({_SPAN}(?:,{_SPAN})*)", re.ASCII)


def _plain_hours(text: str | None) -> list[str] | None:
    """Return hours as https://schema.org/openingHours has them, None where that cannot say them.

    It knows days and times alone: no week of the month, no open end, nothing that is unsure, and
    no word on how old they are.
    """
    hours = parse_hours(text) if text else Hours("")
    rule = None if hours.as_of or hours.note else hours.rule
    parts = [_WEEKLY.fullmatch(part) for part in rule.split("; ")] if rule else [None]
    if None in parts:
        return None
    return [f"{part[1]} {span}" for part in parts if part for span in part[2].split(",")]


def json_ld(place: Place, *, url: str, land: str | None) -> dict[str, Any]:
    """Return the place in the terms of schema.org; what is unknown is left out.

    A point is given only where it stands for the house or street itself.
    """
    address = _known(
        {
            "@type": "PostalAddress",
            "streetAddress": place.street,
            "postalCode": _postcode(place),
            "addressLocality": _town(place),
            "addressRegion": land,
            "addressCountry": "DE",
        }
    )
    point = None
    if place.placed and not place.rough:
        point = {"@type": "GeoCoordinates", "latitude": place.lat, "longitude": place.lon}
    said = _known({"name": place.name, "url": url, "address": address, "sameAs": place.website})
    if place.group in _SITES:
        hours = _plain_hours(place.hours)
        own = {"@type": "CivicStructure", **said, "geo": point, "openingHours": hours}
        return {"@context": "https://schema.org", **_known(own)}
    where = {"@type": "Place", "address": address, "geo": point} if point else None
    parent = {"@type": "Organization", "name": place.organisation} if place.organisation else None
    own = {
        "@type": "Organization",
        **said,
        "location": where,
        "parentOrganization": parent,
        "knowsLanguage": list(place.languages) or None,
    }
    return {"@context": "https://schema.org", **_known(own)}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _postcode(place: Place) -> str | None:
    first = (place.locality or "").partition(" ")[0]
    return first if len(first) == 5 and first.isdigit() else None


def _town(place: Place) -> str | None:
    town = (place.locality or "").removeprefix(_postcode(place) or "").strip()
    return town or place.municipality
