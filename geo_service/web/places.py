"""What a resident reads about a place: the records of a snapshot as plain German text."""

from __future__ import annotations

import datetime as dt
import math
import re
from calendar import monthrange
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from geo_service.maps import MapPlace
from geo_service.names import fold
from geo_service.schema import FINE_PRECISIONS, GROUP_OF_CATEGORY, STALE_AFTER_MONTHS
from geo_service.web import wording
from geo_service.web.wording import N_, gettext, ngettext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geo_service.schema import Initiatives, Municipalities
    from geo_service.web.timetable import Opening

__all__ = [
    "GROUP_NAMES",
    "NO_KREIS",
    "Kreis",
    "Place",
    "kreis_finder",
    "read_kreise",
    "read_places",
    "safe_url",
]

GROUP_NAMES: Final[Mapping[str, str]] = {
    "begegnung": "Begegnung",
    "haus": "Haus",
    "initiative": "Initiative",
    "beratung": "Beratung",
    "sprache": "Sprache",
    "hilfe": "Praktische Hilfe",
}
"""The six groups in the order of legends and filters, as pages call them."""

NO_KREIS: Final = N_("Kreis nicht bekannt")
_WHEELCHAIR: Final = {
    "yes": N_("Mit dem Rollstuhl zugänglich"),
    "limited": N_("Mit dem Rollstuhl teilweise zugänglich"),
    "no": N_("Nicht mit dem Rollstuhl zugänglich"),
}
_MOST_OF_NAME: Final = 200
_MOST_SHOWN: Final = 2_000
"""Characters of a name and of any other text; no import lets more in, a database may hold it."""

_MOST_OF_POPUP: Final = 300
"""Characters of a text on the map; the page of the place has it whole."""

_KREIS_WORDS: Final = re.compile(r"\b(landkreis|kreisfreie stadt|kreis|stadt)\b")
_DATE: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_UNSAFE_IN_URL: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Kreis:
    """A Landkreis or kreisfreie Stadt as filters and headings name it."""

    key: str
    name: str
    town: bool

    @property
    def sort_key(self) -> tuple[str, str]:
        """Order in lists: by name, whatever word stands before it."""
        return (_kreis_core(self.name), self.key)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the words of a page; None is unknown. Degrees, EPSG:4326.

    What is text of ours (`where`, `wheelchair`, `freshness` and so on) is in the language
    of the page; what the record says stays in the record's.
    """

    id: str
    name: str
    category: str
    group: str
    theme: str | None
    organisation: str | None
    street: str | None
    locality: str | None
    municipality: str | None
    ags: str | None
    precision: str | None
    note: str | None
    kreis: Kreis | None
    hours: str | None
    offers: tuple[str, ...]
    languages: tuple[str, ...]
    wheelchair_code: str | None
    website: str | None
    source: str | None
    source_url: str | None
    dated_on: str | None
    confirmed_on: str | None
    years_old: int | None
    stale: bool
    point_source: str | None
    point_licence: str | None
    lon: float | None
    lat: float | None
    haystack: str

    @property
    def placed(self) -> bool:
        """Whether the place has a point and is on the map."""
        return self.lon is not None

    @property
    def rough(self) -> bool:
        """Whether the point stands for more than a house or a street."""
        return self.placed and self.precision not in FINE_PRECISIONS

    @property
    def group_name(self) -> str:
        """Name of the group whose colour and shape the place has."""
        return GROUP_NAMES[self.group]

    @property
    def where(self) -> str:
        """Return the address as far as it is known."""
        return ", ".join(filter(None, (self.street, self.locality))) or gettext("Ort nicht bekannt")

    @property
    def place_note(self) -> str | None:
        """Say what is not exact about where the place is."""
        return gettext(self.note) if self.note else None

    @property
    def wheelchair(self) -> str | None:
        """Say whether the place can be reached by wheelchair; None is unknown."""
        return gettext(_WHEELCHAIR[self.wheelchair_code]) if self.wheelchair_code else None

    @property
    def dated(self) -> str | None:
        """Return the date that the source carries."""
        return wording.date(self.dated_on) or None

    @property
    def confirmed(self) -> str | None:
        """Return the day on which somebody confirmed the record."""
        return wording.date(self.confirmed_on) or None

    @property
    def freshness(self) -> str:
        """Say how old the record is, in a few words."""
        if self.confirmed and not self.stale:
            return gettext("Bestätigt am %(date)s", date=self.confirmed)
        said = self.confirmed or self.dated
        if said is None:
            return gettext("Stand unbekannt")
        if self.stale:
            return ngettext(
                "Stand %(date)s, seit %(count)s Jahr nicht bestätigt",
                "Stand %(date)s, seit %(count)s Jahren nicht bestätigt",
                self.years_old or 0,
                date=said,
            )
        return gettext("Stand %(date)s", date=said)

    def on_map(
        self, opening: Opening | None = None, *, number: int | None = None
    ) -> MapPlace | None:
        """Return what the map shows of the place, or None where it has no point.

        `opening` stands in for the record's text where more is known about today; `number` is
        the place's in the list beside the map, from 1.
        """
        if self.lon is None or self.lat is None:
            return None
        return MapPlace(
            id=self.id,
            name=self.name,
            category=wording.label(self.category),
            group=self.group,
            organisation=_short(self.organisation),
            where=_cut(self.where, _MOST_OF_POPUP),
            rough=self.rough,
            opening=opening.text if opening else None,
            hours=_short(opening.remark if opening else self.hours),
            languages=_short(wording.listed(map(wording.language_name, self.languages)) or None),
            freshness=self.freshness,
            lon=self.lon,
            lat=self.lat,
            number=number,
        )


def read_kreise(municipalities: Municipalities) -> tuple[Kreis, ...]:
    """Return the Kreise and kreisfreie Städte, told apart by their names, sorted by name."""
    towns = set(
        municipalities.loc[municipalities["designation"] == "kreisfreie Stadt", "kreis_key"]
    )
    rows = municipalities[["kreis_key", "kreis"]].drop_duplicates("kreis_key")
    kreise = [
        Kreis(key, _kreis_name(name, town=key in towns), key in towns)
        for key, name in rows.itertuples(index=False, name=None)
    ]
    return tuple(sorted(kreise, key=lambda kreis: kreis.sort_key))


def kreis_finder(municipalities: Municipalities) -> Callable[[str | None], Kreis | None]:
    """Return what finds the Kreis that a record without a point names."""
    kreise = read_kreise(municipalities)
    by_name = {(_kreis_core(kreis.name), kreis.town): kreis for kreis in kreise}

    def find(stated: str | None) -> Kreis | None:
        if stated is None:
            return None
        return by_name.get((_kreis_core(stated), "stadt" in fold(stated).split()))

    return find


def read_places(
    initiatives: Initiatives, municipalities: Municipalities, *, today: dt.date
) -> tuple[Place, ...]:
    """Put every record into the words of a page, sorted by Kreis, town and name.

    Parameters
    ----------
    initiatives
        Records, with or without a point. One row in, one place out.
    municipalities
        The Land; says which Kreis an AGS belongs to.
    today
        Day against which a record is old.
    """
    kreise = {kreis.key: kreis for kreis in read_kreise(municipalities)}
    find_kreis = kreis_finder(municipalities)
    kreis_of = dict(zip(municipalities["ags"], municipalities["kreis_key"], strict=True))
    name_of = dict(zip(municipalities["ags"], municipalities["name"], strict=True))
    points = initiatives.geometry
    places = []
    for row, lon, lat in zip(
        initiatives.drop(columns="geometry").to_dict("records"), points.x, points.y, strict=True
    ):
        record = {str(key): _text(value) for key, value in row.items()}
        ags = record["ags"]
        kreis = kreise[kreis_of[ags]] if ags in kreis_of else find_kreis(record["kreis"])
        municipality = name_of.get(ags or "", record["municipality"])
        point = None if math.isnan(lon) else (float(lon), float(lat))
        places.append(_place(record, kreis, municipality, point, today))
    return tuple(sorted(places, key=_order))


def _place(
    record: Mapping[str, str | None],
    kreis: Kreis | None,
    municipality: str | None,
    point: tuple[float, float] | None,
    today: dt.date,
) -> Place:
    category = record["category"] or "Sonstiges"
    locality = record["city"] or municipality
    street = " ".join(filter(None, (record["street"], record["house_number"]))) or None
    town = " ".join(filter(None, (record["postcode"], locality))) or None
    rough = point is not None and record["coordinate_precision"] not in FINE_PRECISIONS
    said_on = _last_said(record["source_date"], record["confirmed_on"])
    wheelchair = record["wheelchair"]
    name = _cut(record["name"] or category, _MOST_OF_NAME)
    said = [name, category, record["organisation"], street, town, municipality, record["offers"]]
    said += [kreis.name if kreis else None, record["languages"], record["verbandsgemeinde"]]
    return Place(
        id=record["id"] or "",
        name=name,
        category=category,
        group=GROUP_OF_CATEGORY.get(category, "initiative"),
        theme=record["theme"],
        organisation=record["organisation"],
        street=street,
        locality=town,
        municipality=municipality,
        ags=record["ags"],
        precision=record["coordinate_precision"],
        note=_place_note(record, street, locality, point is not None, rough),
        kreis=kreis,
        hours=record["opening_hours"],
        offers=_items(record["offers"]),
        languages=_items(record["languages"]),
        wheelchair_code=wheelchair if wheelchair in _WHEELCHAIR else None,
        website=safe_url(record["website"]),
        source=record["source"],
        source_url=safe_url(record["source"]),
        dated_on=_date(record["source_date"]),
        confirmed_on=_date(record["confirmed_on"]),
        years_old=None if said_on is None else _years_since(said_on, today),
        stale=said_on is not None and said_on < _months_before(today, STALE_AFTER_MONTHS),
        point_source=record["coordinate_source"],
        point_licence=record["coordinate_licence"],
        lon=point[0] if point else None,
        lat=point[1] if point else None,
        haystack=fold(" ".join(filter(None, said))),
    )


def _place_note(
    record: Mapping[str, str | None],
    street: str | None,
    locality: str | None,
    placed: bool,
    rough: bool,
) -> str | None:
    """Say what is not exact about where the place is."""
    if not placed:
        return N_("Nicht auf der Karte: Lage nicht bekannt")
    if not rough:
        return None
    if street:
        return N_("Lage ungefähr: Straße nicht gefunden")
    if record["coordinate_precision"] == "municipality" or not locality:
        return N_("Lage ungefähr: nur die Gemeinde ist bekannt")
    return N_("Lage ungefähr: nur der Ort ist bekannt")


def safe_url(text: str | None) -> str | None:
    """Return `text` if it is an http(s) address a page may link to, else None.

    >>> safe_url("https://example.org/a?b=c")
    'https://example.org/a?b=c'
    >>> safe_url("javascript:alert(1)") is None
    True
    """
    if text is None or _UNSAFE_IN_URL.search(text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and host else None


def _text(value: Any) -> str | None:
    """Return a cell as text that a page can show, None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return _cut(str(value), _MOST_SHOWN)


def _short(text: str | None) -> str | None:
    return text and _cut(text, _MOST_OF_POPUP)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _items(text: str | None) -> tuple[str, ...]:
    return tuple(item.strip() for item in (text or "").split(";") if item.strip())


def _date(text: str | None) -> str | None:
    """Return a date ``JJJJ-MM-TT``, ``JJJJ-MM`` or ``JJJJ``; None if it is none."""
    return text if _last_day(text) else None


def _last_said(stated: str | None, confirmed: str | None) -> dt.date | None:
    """Return the last day on which the record may have been stated or confirmed."""
    return max(filter(None, map(_last_day, (stated, confirmed))), default=None)


def _last_day(text: str | None) -> dt.date | None:
    """Return the last day a date ``JJJJ``, ``JJJJ-MM`` or ``JJJJ-MM-TT`` may mean."""
    match = _DATE.fullmatch(text or "")
    if match is None:
        return None
    year, month = int(match[1]), int(match[2] or 12)
    try:
        return dt.date(year, month, int(match[3] or monthrange(year, month)[1]))
    except ValueError:
        return None


def _months_before(day: dt.date, months: int) -> dt.date:
    """Return the same day `months` earlier, or that month's last day; as in `coverage`."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return dt.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _years_since(since: dt.date, today: dt.date) -> int:
    """Count the full years that have passed."""
    return max(0, today.year - since.year - ((today.month, today.day) < (since.month, since.day)))


def _kreis_name(name: str, *, town: bool) -> str:
    """Return the name that readers use: Landkreis Mayen-Koblenz, Koblenz (Stadt)."""
    short = name.split(",")[0].strip()
    if town:
        return f"{short}, Stadt" if ")" in short else f"{short} (Stadt)"
    return short if "kreis" in short.casefold() else f"Landkreis {short}"


def _kreis_core(name: str) -> str:
    return _KREIS_WORDS.sub("", fold(name)).strip() or fold(name)


def _order(place: Place) -> tuple[Any, ...]:
    kreis = (0, *place.kreis.sort_key) if place.kreis else (1, "", "")
    locality = fold(re.sub(r"^\d{5} ", "", place.locality or ""))
    return (*kreis, locality, fold(place.name), place.id)
