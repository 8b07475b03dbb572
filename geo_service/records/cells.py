"""What a cell may say: the fields, their headings, and the check of each field's text.

`FIELDS`, `CATEGORY_ALIASES`, `THEME_ALIASES` and `WHEELCHAIR_ALIASES` are what
docs/records.md lists; a test keeps the two equal.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from rapidfuzz import process

from geo_service.names import fold
from geo_service.schema import CATEGORIES, THEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "CATEGORY_ALIASES",
    "FIELDS",
    "HEADING_FIELD",
    "PERSONAL_HEADINGS",
    "PLACE_FIELDS",
    "THEME_ALIASES",
    "WHEELCHAIR_ALIASES",
    "Clean",
    "Note",
    "Severity",
    "clean_cell",
    "split_street",
    "split_town",
]

Severity: TypeAlias = Literal["error", "warning"]

# -------------------------------------------------------------------------- headings

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("ID", "Kennung", "Identifier"),
    "name": ("Name", "Bezeichnung", "Titel", "Einrichtung", "Initiative", "Title"),
    "category": ("Kategorie", "Art", "Typ", "Category", "Type"),
    "theme": ("Leitthema", "Thema", "Theme"),
    "organisation": ("Träger", "Trägerschaft", "Organisation", "Organization", "Operator"),
    "street": ("Straße", "Anschrift", "Adresse", "Straße und Hausnummer", "Street", "Address"),
    "house_number": ("Hausnummer", "Hausnr", "Haus-Nr", "House number"),
    "postcode": ("PLZ", "Postleitzahl", "Postcode", "Postal code", "Zip"),
    "city": ("Ort", "Stadt", "Ortsteil", "PLZ Ort", "City", "Town", "Place"),
    "municipality": ("Gemeinde", "Ortsgemeinde", "Kommune", "Municipality"),
    "verbandsgemeinde": ("Verbandsgemeinde", "VG"),
    "kreis": ("Kreis", "Landkreis", "Kreis/kreisfreie Stadt", "Kreisfreie Stadt", "District",
              "County"),
    "website": ("Website", "Webseite", "Internet", "Homepage", "Internetseite", "URL", "Web"),
    "opening_hours": ("Öffnungszeiten", "Öffnungszeit", "Zeiten", "oeffnungszeiten_text",
                      "Opening hours"),
    "offers": ("Angebote", "Angebot", "Leistungen", "Offers", "Services"),
    "languages": ("Sprachen", "Sprache", "Languages", "Language"),
    "wheelchair": ("Rollstuhlgerecht", "Rollstuhl", "Barrierefrei", "Wheelchair",
                   "Wheelchair accessible"),
    "lon": ("Längengrad", "Länge", "lon", "lng", "long", "Longitude", "geometry lon"),
    "lat": ("Breitengrad", "Breite", "lat", "Latitude", "geometry lat"),
    "source": ("Quelle", "quelle_url", "Fundstelle", "Source", "Source URL"),
    "source_date": ("Stand", "Stand der Quelle", "Datum der Quelle", "Datum", "Source date"),
    "confirmed_on": ("Bestätigt am", "Geprüft am", "Confirmed on"),
}  # fmt: skip
"""Field -> the headings it may have, compared by `names.fold`; the first is the product's
own. The field's name itself is a heading too."""

PERSONAL_HEADINGS: Final = frozenset(
    map(fold, ("Ansprechpartner", "Ansprechpartnerin", "Ansprechperson", "Kontakt",
               "Kontaktperson", "Kontaktdaten", "E-Mail", "Mail", "E-Mail-Adresse", "Telefon",
               "Telefonnummer", "Tel", "Handy", "Mobil", "Fax", "Contact", "Email", "Phone",
               "Vorname", "Nachname"))
)  # fmt: skip
"""Headings of data about persons, which the product does not keep."""

PLACE_FIELDS: Final = ("municipality", "city", "postcode", "lon")
"""A file needs a heading for one of these, a row a value in one."""

CATEGORY_ALIASES: Final[Mapping[str, str]] = {
    "Begegnungsstätte": "Begegnungsort",
    "Begegnungszentrum": "Begegnungsort",
    "Treffpunkt": "Begegnungsort",
    "Meeting place": "Begegnungsort",
    "Café": "Begegnungscafé",
    "Welcome Café": "Begegnungscafé",
    "Willkommenscafé": "Begegnungscafé",
    "Community café": "Begegnungscafé",
    "MGH": "Mehrgenerationenhaus",
    "Multi-generation house": "Mehrgenerationenhaus",
    "HdF": "Haus der Familie",
    "Family centre": "Haus der Familie",
    "Bürgerhaus": "Bürgerhaus/Nachbarschaftshaus",
    "Nachbarschaftshaus": "Bürgerhaus/Nachbarschaftshaus",
    "Stadtteilzentrum": "Bürgerhaus/Nachbarschaftshaus",
    "Quartiersbüro": "Bürgerhaus/Nachbarschaftshaus",
    "Community centre": "Bürgerhaus/Nachbarschaftshaus",
    "Intercultural centre": "Interkulturelles Zentrum",
    "JMD": "Jugendmigrationsdienst",
    "Youth migration service": "Jugendmigrationsdienst",
    "MBE": "Migrationsberatung",
    "Migrationsberatung für erwachsene Zugewanderte": "Migrationsberatung",
    "Migrationsdienst": "Migrationsberatung",
    "Migration counselling": "Migrationsberatung",
    "Sprachcafé": "Sprachcafé/Sprachkurs",
    "Sprachkurs": "Sprachcafé/Sprachkurs",
    "Language café": "Sprachcafé/Sprachkurs",
    "Language course": "Sprachcafé/Sprachkurs",
    "Initiative": "Initiative/Helferkreis",
    "Helferkreis": "Initiative/Helferkreis",
    "Arbeitskreis Asyl": "Initiative/Helferkreis",
    "Flüchtlingshilfe": "Initiative/Helferkreis",
    "Support group": "Initiative/Helferkreis",
    "Ehrenamtsagentur": "Freiwilligenagentur",
    "Ehrenamtsbörse": "Freiwilligenagentur",
    "Volunteer agency": "Freiwilligenagentur",
    "Koordination": "Koordinierungsstelle",
    "Coordination office": "Koordinierungsstelle",
    "Kleiderkammer": "Kleiderkammer/Möbelbörse",
    "Möbelbörse": "Kleiderkammer/Möbelbörse",
    "Clothing bank": "Kleiderkammer/Möbelbörse",
    "Fahrrad-Werkstatt": "Fahrradwerkstatt",
    "Bicycle workshop": "Fahrradwerkstatt",
    "Andere": "Sonstiges",
    "Other": "Sonstiges",
}
"""Other words for a category -> the category, compared by `names.fold`."""

THEME_ALIASES: Final[Mapping[str, str]] = {
    "Begegnungsort": "Begegnungsorte",
    "Orte der Vernetzung und des Gemeinwesens": "Begegnungsorte",
    "Begegnungsorte – Orte der Vernetzung und des Gemeinwesens": "Begegnungsorte",
    "Meeting places": "Begegnungsorte",
    "Ehrenamt und Hauptamt": "Hauptamt und Ehrenamt",
    "Professionals and volunteers": "Hauptamt und Ehrenamt",
    "Migrantinnen im Ehrenamt": "Migrant*innen im Ehrenamt",
    "Migranten im Ehrenamt": "Migrant*innen im Ehrenamt",
    "Migrantinnen und Migranten im Ehrenamt": "Migrant*innen im Ehrenamt",
    "Migrants as volunteers": "Migrant*innen im Ehrenamt",
    "Unterstützung des Ehrenamts": "Unterstützung für das Ehrenamt",
    "Support for volunteers": "Unterstützung für das Ehrenamt",
}
"""Other words for a theme -> the theme, compared by `names.fold`."""

WHEELCHAIR_ALIASES: Final[Mapping[str, str]] = {
    "ja": "yes", "yes": "yes", "true": "yes", "wahr": "yes", "x": "yes", "1": "yes",
    "teilweise": "limited", "eingeschränkt": "limited", "bedingt": "limited",
    "limited": "limited", "partly": "limited",
    "nein": "no", "no": "no", "false": "no", "falsch": "no", "0": "no",
    "unbekannt": "", "unknown": "", "keine Angabe": "", "k. A.": "",
}  # fmt: skip
"""What a cell may say -> the value of the schema; empty is unknown."""

HEADING_FIELD: Final = {
    fold(heading): field for field, headings in FIELDS.items() for heading in (field, *headings)
}

# ---------------------------------------------------------------------------- cells


class Note(NamedTuple):
    """What is wrong with a text, or worth saying about it."""

    expected: str
    got: str | None = None
    severity: Severity = "error"


class Clean(NamedTuple):
    """A cell after its check: the text to keep (None: missing), and what was noticed."""

    text: str | None
    notes: tuple[Note, ...] = ()


_BLANKS: Final = re.compile(r"\s+")
_INVISIBLE: Final = re.compile(r"[\xad\u200b\u2060\ufeff]")
_LINE_BREAKS: Final = re.compile(r"[ \t]*[\n\r\x0b\x0c\x85\u2028\u2029]+\s*")
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufffe\uffff]"
)
"""Controls and marks that hide text or turn its direction; joiners that scripts need stay."""

_DASHES: Final = frozenset("-–—−/.")
_EXCEL_ERROR: Final = re.compile(
    r"#(REF|N/A|NV|DIV/0|VALUE|WERT|NAME|NUM|ZAHL|NULL|BEZUG|SPILL|CALC)[!?]?$"
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.\w")
_LENGTHS: Final[Mapping[str, int]] = {
    "name": 200, "offers": 2000, "opening_hours": 2000, "website": 2000, "source": 2000,
}  # fmt: skip
_LENGTH: Final = 500


def _clean_text(text: str, field: str) -> Clean:
    """Return `text` in NFC, trimmed, without controls; every field starts with this."""
    notes: list[Note] = []
    if _CONTROLS.search(text):
        text = _CONTROLS.sub("", text)
        notes.append(Note("text without control characters", None, "warning"))
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).strip()
    if field in ("offers", "opening_hours", "languages", "organisation"):
        text = _LINE_BREAKS.sub("; ", text)
    text = _BLANKS.sub(" ", text).strip()
    if not text or (len(text) == 1 and text in _DASHES):
        return Clean(None, tuple(notes))
    if "\ufffd" in text:
        notes.append(Note("readable text (the file was saved in a wrong encoding)"))
    if _EXCEL_ERROR.match(text):
        notes.append(Note("a value, not an error of the spreadsheet"))
    most = _LENGTHS.get(field, _LENGTH)
    if len(text) > most:
        notes.append(Note(f"at most {most:,} characters", f"{len(text):,} characters"))
    if field not in ("source", "website") and _EMAIL.search(text):
        notes.append(Note("no e-mail address (a person's must not be published)", None, "warning"))
    return Clean(text, tuple(notes))


def _clean_id(text: str) -> Clean:
    if re.fullmatch(r"[A-Za-z0-9._~-]{1,64}", text) and text.strip("."):
        return Clean(text)
    return Clean(None, (Note("1 to 64 of the characters A-Z a-z 0-9 . _ ~ -"),))


def _clean_choice(text: str, choices: Mapping[str, str], values: Sequence[str], what: str) -> Clean:
    value = choices.get(fold(text))
    if value is not None:
        return Clean(value or None)
    closest = process.extractOne(fold(text), list(choices), score_cutoff=60)
    if closest and choices[closest[0]]:
        return Clean(None, (Note(f"{what} (did you mean {choices[closest[0]]!r}?)"),))
    return Clean(None, (Note(f"{what} of {', '.join(values)}"),))


def _folded_choices(values: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    return {fold(key): value for key, value in {**aliases, **{v: v for v in values}}.items()}


_CATEGORY_CHOICES: Final = _folded_choices(CATEGORIES, CATEGORY_ALIASES)
_THEME_CHOICES: Final = _folded_choices(THEMES, THEME_ALIASES)
_WHEELCHAIR_CHOICES: Final = _folded_choices((), WHEELCHAIR_ALIASES)


def _clean_category(text: str) -> Clean:
    return _clean_choice(text, _CATEGORY_CHOICES, CATEGORIES, "a category")


def _clean_theme(text: str) -> Clean:
    return _clean_choice(text, _THEME_CHOICES, THEMES, "a theme")


def _clean_wheelchair(text: str) -> Clean:
    return _clean_choice(text, _WHEELCHAIR_CHOICES, ("ja", "teilweise", "nein"), "one")


def _clean_postcode(text: str) -> Clean:
    digits = re.sub(r"^(D|DE)[- ]", "", text)
    if re.fullmatch(r"[0-9]{5}", digits):
        return Clean(digits)
    return Clean(None, (Note("5 digits"),))


def _clean_house_number(text: str) -> Clean:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", text):
        note = Note("a house number (did the spreadsheet turn '3-5' into a date?)")
        return Clean(None, (note,))
    number = re.sub(r"^(Nr|Hausnr|No)\.?\s*(?=[0-9])", "", text, flags=re.IGNORECASE)
    number = re.sub(r"\s*[-–—]\s*", "-", number)
    number = re.sub(r"([0-9])\s+([A-Za-z])\b", r"\1\2", number)
    if len(number) <= 20 and re.match(r"[0-9]{1,4}(?![0-9])", number):
        return Clean(number)
    return Clean(None, (Note("a house number such as 12, 12a or 12-14"),))


_HOST: Final = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{0,61}[^\W_]\.?$")
_BARE_DOMAIN: Final = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}(?::[0-9]+)?(?:[/?#].*)?$")
_URL_FORBIDDEN: Final = re.compile(r"[\s<>\"\\^`{|}\x00-\x1f]")


def _clean_website(text: str) -> Clean:
    notes: tuple[Note, ...] = ()
    if _BARE_DOMAIN.match(text):
        text = f"https://{text}"
        notes = (Note("an address that begins with https:// or http://", None, "warning"),)
    fault = _url_fault(text)
    return Clean(text, notes) if fault is None else Clean(None, (Note(fault),))


def _url_fault(text: str) -> str | None:
    """Return what is expected instead of `text`; None where it is a safe web address."""
    if _URL_FORBIDDEN.search(text):
        return "one web address without blanks, quotation marks or brackets"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return "a web address (http or https)"
    if url.scheme.lower() not in ("http", "https"):
        return "a web address (http or https)"
    if "@" in url.netloc:
        return "a web address without a user name"
    if not _HOST.match(url.hostname or "") or port == 0:
        return "a web address with the name of a host"
    return None


def _clean_source(text: str) -> Clean:
    if re.match(r"https?:", text, re.IGNORECASE):
        fault = _url_fault(text)
        return Clean(text) if fault is None else Clean(None, (Note(fault),))
    if re.match(r"[a-z][a-z0-9+.-]*:(?=\S)", text, re.IGNORECASE):
        return Clean(None, (Note("a web address (http or https) or a text"),))
    return Clean(text)


_LIST_COMMAS: Final = re.compile(r"\s*[;,/]\s*(?![^(]*\))")
_LIST_SEMICOLONS: Final = re.compile(r"\s*;\s*")


def _clean_list(text: str, separator: re.Pattern[str]) -> Clean:
    items = [item.strip() for item in separator.split(text)]
    return Clean("; ".join(dict.fromkeys(item for item in items if item)) or None)


def _clean_languages(text: str) -> Clean:
    if fold(text) in ("unbekannt", "unknown", "k a", "keine angabe"):
        return Clean(None)
    return _clean_list(text, _LIST_COMMAS)


def _clean_semicolons(text: str) -> Clean:
    return _clean_list(text, _LIST_SEMICOLONS)


_DATES: Final = (
    re.compile(r"(?P<y>[0-9]{4})(?:-(?P<m>[0-9]{2})(?:-(?P<d>[0-9]{2}))?)?(?: [0-9:]{5,8})?"),
    re.compile(r"(?:(?:(?P<d>[0-9]{1,2})\.)?\s?(?P<m>[0-9]{1,2})\.)?\s?(?P<y>[0-9]{4})"),
    re.compile(r"(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4})"),
)


def _clean_date(text: str, today: dt.date, *, whole: bool) -> Clean:
    """Return ``JJJJ``, ``JJJJ-MM`` or ``JJJJ-MM-TT``; `whole` allows the last form only."""
    expected = "a date JJJJ-MM-TT or TT.MM.JJJJ"
    if not whole:
        expected = "a date JJJJ, JJJJ-MM, JJJJ-MM-TT, MM.JJJJ or TT.MM.JJJJ"
    found = next((match for form in _DATES if (match := form.fullmatch(text))), None)
    parts = {key: int(value) for key, value in found.groupdict().items() if value} if found else {}
    try:
        earliest = dt.date(parts.get("y", 0), parts.get("m", 1), parts.get("d", 1))
    except ValueError:
        return Clean(None, (Note(expected),))
    if whole and "d" not in parts:
        return Clean(None, (Note(expected),))
    if earliest > today:
        return Clean(None, (Note(f"a date not after {today.isoformat()}"),))
    if earliest.year < 1900:
        return Clean(None, (Note("a date from 1900 on"),))
    return Clean(earliest.isoformat()[: {1: 4, 2: 7, 3: 10}[len(parts)]])


_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,12}(?:[.,][0-9]{1,20})?")


def _clean_number(text: str) -> Clean:
    """Return a decimal number; one comma without a point is a decimal comma."""
    number = text.removesuffix("°").strip().replace("−", "-")
    if _NUMBER.fullmatch(number):
        return Clean(number.replace(",", "."))
    return Clean(None, (Note("a number of degrees such as 7.5980 or 7,5980"),))


_CLEANERS: Final[Mapping[str, Callable[[str], Clean]]] = {
    "id": _clean_id,
    "category": _clean_category,
    "theme": _clean_theme,
    "organisation": _clean_semicolons,
    "house_number": _clean_house_number,
    "postcode": _clean_postcode,
    "website": _clean_website,
    "offers": _clean_semicolons,
    "languages": _clean_languages,
    "wheelchair": _clean_wheelchair,
    "lon": _clean_number,
    "lat": _clean_number,
    "source": _clean_source,
}


def clean_cell(text: str, field: str, today: dt.date) -> Clean:
    """Check one cell of `field`; no date in it may lie after `today`."""
    plain = _clean_text(text, field)
    if plain.text is None or any(note.severity == "error" for note in plain.notes):
        return Clean(None, plain.notes)
    if field in ("source_date", "confirmed_on"):
        result = _clean_date(plain.text, today, whole=field == "confirmed_on")
    elif field in _CLEANERS:
        result = _CLEANERS[field](plain.text)
    else:
        return plain
    return Clean(result.text, (*plain.notes, *result.notes))


# ------------------------------------------------------------------- compound cells

_HOUSE_AFTER_STREET: Final = re.compile(
    r"(?P<street>.*[^\W\d_][.)]?)\s+(?P<number>[0-9]{1,4}\s?[a-zA-Z]?(?:\s?[-–/+]\s?[0-9]{1,4}"
    r"\s?[a-zA-Z]?)?)"
)
_SHORTEST_STREET: Final = 4
"""Letters a street's name has at least: "An 44" in Landau is a street, not a number in "An"."""

_POSTCODE_CITY: Final = re.compile(r"(?:(?:D|DE)[- ])?(?P<postcode>[0-9]{5})\s+(?P<city>\D.*)")


def split_town(city: str, postcode: str | None) -> tuple[str | None, str]:
    """Return postal code and city of a cell such as "55116 Mainz".

    >>> split_town("55116 Mainz", None), split_town("Mainz", "55116")
    (('55116', 'Mainz'), ('55116', 'Mainz'))
    """
    found = _POSTCODE_CITY.fullmatch(city)
    if found and postcode in (None, found["postcode"]):
        return found["postcode"], found["city"]
    return postcode, city


def split_street(
    text: str, number: str | None, postcode: str | None, city: str | None
) -> tuple[str, str | None, str | None, str | None]:
    """Return street, house number, postal code and city of a cell that has several of them.

    What another cell states already is never replaced: where the two differ, the cell stays
    as it is.

    >>> split_street("Am Markt 5a, 55116 Mainz", None, None, None)
    ('Am Markt', '5a', '55116', 'Mainz')
    >>> split_street("Straße des 17. Juni", None, None, "Mainz")
    ('Straße des 17. Juni', None, None, 'Mainz')
    """
    street, comma, rest = (part.strip() for part in text.partition(","))
    if comma:
        town = _POSTCODE_CITY.fullmatch(rest)
        if town is None or postcode not in (None, town["postcode"]):
            return text, number, postcode, city
        postcode, city = town["postcode"], city or town["city"]
    found = _HOUSE_AFTER_STREET.fullmatch(street)
    if found and len(found["street"]) >= _SHORTEST_STREET:
        own = _clean_house_number(found["number"]).text
        if number in (None, own):
            return found["street"], own, postcode, city
    return street, number, postcode, city
