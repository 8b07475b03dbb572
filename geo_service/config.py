"""Settings: one frozen object, read once from the environment. Only this module reads it."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from geo_service.errors import SettingsError

__all__ = [
    "MAILBOX",
    "Settings",
    "data_dir",
    "load_settings",
    "missing_settings",
    "private_font_cache",
    "static_dir",
    "templates_dir",
    "translations_dir",
]

TILE_PRESETS: Final = ("basemap-grau", "basemap-farbe")
"""Tile servers that may be named instead of written out; `tiles.PRESETS` has them."""

MAILBOX: Final = re.compile(r"[^\s@<>()\",;:?&]+@[^\s@<>()\",;:?&]+\.[^\s@<>()\",;:?&]+")
"""What counts as a mailbox: enough to link to it safely."""

_PARTNER: Final = re.compile(r"[a-z0-9-]{3,40}")
_HOST: Final = re.compile(
    r"(https?://)?(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
    r"(:[0-9]{1,5})?"
)
"""A host as ``frame-ancestors`` takes it (CSP level 3, host-source without a path)."""

_RATE: Final = re.compile(r"[1-9][0-9]{0,5} per (second|minute|hour|day)")

_REQUIRED: Final = (
    "operator",
    "operator_address",
    "operator_email",
    "responsible",
    "contact",
    "privacy_contact",
    "public_url",
)
_OSM_POLICY: Final = "https://operations.osmfoundation.org/policies/tiles/"
_PACKAGE: Final = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    """Return the folder `name` inside the package (a wheel) or beside it (a checkout)."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def data_dir() -> Path:
    """Return the folder of the shipped `gemeinden/` and `initiativen/`."""
    return _shipped("data")


def templates_dir() -> Path:
    """Return the folder of the page templates."""
    return _shipped("templates")


def static_dir() -> Path:
    """Return the folder of our own and the vendored front-end files."""
    return _PACKAGE / "static"


def translations_dir() -> Path:
    """Return the folder of the catalogues, one folder per language."""
    return _PACKAGE / "translations"


def _text(value: str) -> str:
    return value.strip()


def _positive(value: str) -> float:
    number = float(value.strip().replace(",", "."))
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


def _whole(value: str) -> int:
    number = int(value.strip())
    if number < 1:
        raise ValueError
    return number


def _port(value: str) -> int:
    number = int(value.strip())
    if not 0 <= number <= 65_535:
        raise ValueError
    return number


def _web_address(value: str) -> str:
    address = value.strip()
    parts = urlsplit(address)
    if address and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError
    return address.rstrip("/")


def _mailbox(value: str) -> str:
    mailbox = value.strip().removeprefix("mailto:")
    if not MAILBOX.fullmatch(mailbox):
        raise ValueError
    return mailbox


def _tiles(value: str) -> str:
    """Read the name of a preset, ``off``, or an address with the places of z, x and y."""
    text = value.strip()
    if text in {"off", *TILE_PRESETS}:
        return text
    address = _web_address(text)
    if any(address.count(part) != 1 for part in ("{z}", "{x}", "{y}")):
        raise ValueError
    return address


def _size(value: str) -> int:
    number = int(value.strip())
    if number < 0:
        raise ValueError
    return number


def _tile_zoom(value: str) -> int:
    number = int(value.strip())
    if not 10 <= number <= 17:
        raise ValueError
    return number


def _flag(value: str) -> bool:
    text = value.strip().lower()
    if text not in {"ja", "nein", "yes", "no", "true", "false", "1", "0"}:
        raise ValueError
    return text in {"ja", "yes", "true", "1"}


def _rates(value: str) -> str:
    """Read rates such as ``20 per minute; 200 per hour``, or ``off``."""
    text = " ".join(value.lower().split())
    if text != "off" and not all(_RATE.fullmatch(part.strip()) for part in text.split(";")):
        raise ValueError
    return text


def _redis(value: str) -> str:
    address = value.strip()
    if urlsplit(address).scheme not in {"redis", "rediss", "redis+unix"}:
        raise ValueError
    return address


def _partners(value: str) -> str:
    """Read hosts by partner key, as JSON or from a file of it; returns it as JSON."""
    text = value.strip()
    if not text.startswith("{"):
        try:
            text = Path(text).read_text("utf-8")
        except OSError:
            raise ValueError from None
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError
    for key, hosts in found.items():
        if not _PARTNER.fullmatch(key) or not isinstance(hosts, list) or not hosts:
            raise ValueError
        if not all(isinstance(host, str) and _HOST.fullmatch(host) for host in hosts):
            raise ValueError
    return json.dumps(found)


def _setting(
    default: Any, env: str, read: Callable[[str], Any], expected: str, help_text: str
) -> Any:
    metadata = {"env": env, "read": read, "expected": expected, "help": help_text}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set; every field names its variable, its form and its use."""

    database_url: str = _setting(
        "sqlite:///instance/geo-service.db",
        "DATABASE_URL",
        _text,
        "a URL such as sqlite:///folder/file.db or postgresql://user@host/name",
        "Where records, history, geocode cache and revision are kept.",
    )
    data_dir: Path = field(
        default_factory=data_dir,
        metadata={
            "env": "GEO_SERVICE_DATA_DIR",
            "read": Path,
            "expected": "a folder",
            "help": "Folder with gemeinden/ (boundaries) and initiativen/ (example records).",
        },
    )
    host: str = _setting(
        "127.0.0.1", "GEO_SERVICE_HOST", _text, "an address", "Address the server listens on."
    )
    port: int = _setting(
        8000, "GEO_SERVICE_PORT", _port, "a port from 0 to 65535", "Port the server listens on."
    )
    workers: int = _setting(
        2, "GEO_SERVICE_WORKERS", _whole, "a whole number from 1", "Web processes."
    )
    client_timeout_s: float = _setting(
        20.0,
        "GEO_SERVICE_CLIENT_TIMEOUT_S",
        _positive,
        "seconds above 0",
        "How long a client may pause while it sends its request or reads its answer, and how far it"
        " may fall behind 500 bytes a second.",
    )
    radius_m: float = _setting(
        5_000.0,
        "GEO_SERVICE_RADIUS_M",
        _positive,
        "metres above 0",
        "Service radius of a place in metres, as the crow flies, where none is asked for.",
    )
    service_name: str = _setting(
        "Begegnungsorte Rheinland-Pfalz",
        "GEO_SERVICE_NAME",
        _text,
        "a text",
        "Name of the service as pages show it.",
    )
    operator: str = _setting(
        "",
        "GEO_SERVICE_OPERATOR",
        _text,
        "a text",
        "Who runs this service; shown in the footer. Required by law (§ 5 DDG).",
    )
    contact: str = _setting(
        "",
        "GEO_SERVICE_CONTACT",
        _text,
        "a role mailbox or web address",
        "Where visitors report mistakes and barriers; shown in the footer. Required by law"
        " (BITV RP).",
    )
    operator_address: str = _setting(
        "",
        "GEO_SERVICE_OPERATOR_ADDRESS",
        _text,
        "a text",
        "Postal address of the operator, its lines parted by `;`. Required by law (§ 5 DDG).",
    )
    operator_email: str = _setting(
        "",
        "GEO_SERVICE_OPERATOR_EMAIL",
        _mailbox,
        "a mailbox",
        "Mailbox of the operator, better a role's than a person's. Required by law (§ 5 DDG).",
    )
    operator_phone: str = _setting(
        "", "GEO_SERVICE_OPERATOR_PHONE", _text, "a text", "Telephone of the operator."
    )
    operator_details: str = _setting(
        "",
        "GEO_SERVICE_OPERATOR_DETAILS",
        _text,
        "a text",
        "What else the imprint must say, its lines parted by `;`: register and number, VAT"
        " number, supervisory authority.",
    )
    responsible: str = _setting(
        "",
        "GEO_SERVICE_RESPONSIBLE",
        _text,
        "a text",
        "Who represents the operator and answers for the content. Required by law (§ 5 DDG).",
    )
    privacy_contact: str = _setting(
        "",
        "GEO_SERVICE_PRIVACY_CONTACT",
        _text,
        "a role mailbox, web address or text",
        "How to reach the data protection officer. Required by law (Art. 13 GDPR).",
    )
    privacy_notes: str = _setting(
        "",
        "GEO_SERVICE_PRIVACY_NOTES",
        _text,
        "a text",
        "What else the privacy page must say, its paragraphs parted by `;`: who hosts the"
        " service, what a web server in front of it keeps.",
    )
    public_url: str = _setting(
        "",
        "GEO_SERVICE_PUBLIC_URL",
        _web_address,
        "an http(s) address",
        "Address under which visitors reach the service, for `sitemap.xml`, search engines and"
        " QR codes. Required of a public service: while it is empty, each answer names the host"
        " of its own request.",
    )
    geocoder: str = _setting(
        "",
        "GEO_SERVICE_GEOCODER",
        _text,
        "nominatim, photon or another geocoder's name in geopy",
        "Online geocoder for addresses. Empty: the gazetteer alone, nothing leaves the house.",
    )
    geocoder_url: str = _setting(
        "",
        "GEO_SERVICE_GEOCODER_URL",
        _web_address,
        "an http(s) address",
        "Endpoint of the online geocoder.",
    )
    geocoder_contact: str = _setting(
        "",
        "GEO_SERVICE_GEOCODER_CONTACT",
        _text,
        "a mailbox or web address",
        "Contact sent to the online geocoder in the User-Agent; required to use one.",
    )
    geocoder_min_delay_s: float = _setting(
        1.0,
        "GEO_SERVICE_GEOCODER_MIN_DELAY_S",
        _positive,
        "seconds above 0",
        "Least time between two requests to the online geocoder.",
    )
    geocoder_timeout_s: float = _setting(
        10.0,
        "GEO_SERVICE_GEOCODER_TIMEOUT_S",
        _positive,
        "seconds above 0",
        "How long to wait for one answer of the online geocoder.",
    )
    geocoder_licence: str = _setting(
        "ODbL 1.0 (© OpenStreetMap contributors)",
        "GEO_SERVICE_GEOCODER_LICENCE",
        _text,
        "a text",
        "Licence of the coordinates that the online geocoder gives out.",
    )
    tiles_url: str = _setting(
        "basemap-grau",
        "GEO_SERVICE_TILES_URL",
        _tiles,
        "basemap-grau, basemap-farbe, off, or an http(s) address with {z}, {x} and {y} once each",
        "Base map: `basemap-grau` or `basemap-farbe` (basemap.de), the address of another tile"
        " server with `{z}`, `{x}` and `{y}`, or `off`. The server fetches the tiles; visitors"
        " ask only this service.",
    )
    tiles_attribution: str = _setting(
        "",
        "GEO_SERVICE_TILES_ATTRIBUTION",
        _text,
        "a text",
        "Source note of the base map; `{jahr}` becomes the present year. A preset has its own;"
        " another tile server needs one.",
    )
    tiles_licence: str = _setting(
        "",
        "GEO_SERVICE_TILES_LICENCE",
        _text,
        "a text",
        "Licence of the base map, for the page of sources. A preset has its own.",
    )
    tiles_max_zoom: int = _setting(
        17,
        "GEO_SERVICE_TILES_MAX_ZOOM",
        _tile_zoom,
        "a whole number from 10 to 17",
        "Greatest zoom that the tile server has; nearer, its tiles are enlarged.",
    )
    tiles_cache: str = _setting(
        "instance/tiles",
        "GEO_SERVICE_TILES_CACHE",
        _text,
        "a folder",
        "Folder in which fetched tiles are kept; all web processes share it.",
    )
    tiles_cache_mb: int = _setting(
        500,
        "GEO_SERVICE_TILES_CACHE_MB",
        _size,
        "a whole number from 0",
        "Size of that folder in megabytes; what was not used longest goes first. 0 keeps nothing.",
    )
    tiles_expire_days: float = _setting(
        30.0,
        "GEO_SERVICE_TILES_EXPIRE_DAYS",
        _positive,
        "days above 0",
        "After how many days a kept tile is fetched anew.",
    )
    tiles_timeout_s: float = _setting(
        4.0,
        "GEO_SERVICE_TILES_TIMEOUT_S",
        _positive,
        "seconds above 0",
        "How long to wait for one tile.",
    )
    embed_partners: str = _setting(
        "",
        "GEO_SERVICE_EMBED_PARTNERS",
        _partners,
        'JSON such as {"kreis-auen": ["www.auen.example", "*.auen.example"]}, or a file of it',
        "Who may embed with a partner key: hosts by key, as JSON or as the name of a file; see"
        " embed.md.",
    )
    embed_only_partners: bool = _setting(
        False,
        "GEO_SERVICE_EMBED_ONLY_PARTNERS",
        _flag,
        "yes or no",
        "Whether an embed needs a partner key; otherwise every site may embed without one.",
    )
    trusted_proxies: int = _setting(
        0,
        "GEO_SERVICE_TRUSTED_PROXIES",
        _size,
        "a whole number from 0",
        "How many proxies of yours stand in front and name the visitor in `X-Forwarded-For`;"
        " 0 believes none.",
    )
    rate_limit_siting: str = _setting(
        "20 per minute; 200 per hour",
        "GEO_SERVICE_RATE_LIMIT_SITING",
        _rates,
        "rates such as 20 per minute; 200 per hour, or off",
        "How often a client may ask where new places should be: exactly on the pages, in any"
        " way by the API.",
    )
    rate_limit_files: str = _setting(
        "60 per minute; 600 per hour",
        "GEO_SERVICE_RATE_LIMIT_FILES",
        _rates,
        "rates such as 60 per minute; 600 per hour, or off",
        "How often a client may fetch files that are made for it: tables, maps, reports,"
        " handouts as PDF, all records at once.",
    )
    rate_limit_storage: str = _setting(
        "",
        "GEO_SERVICE_RATE_LIMIT_STORAGE",
        _redis,
        "an address such as redis://localhost:6379/0",
        "Redis in which all processes count together; needs `pip install geo-service[redis]`."
        " Empty: each process counts for itself.",
    )
    rate_limit_secret: str = _setting(
        "",
        "GEO_SERVICE_RATE_LIMIT_SECRET",
        _text,
        "a long random text",
        "Key of the hashes that stand for clients' addresses; to be set, the same, where"
        " several servers share one Redis. Empty: a new one with each start.",
    )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (default: the process's environment).

    An empty variable counts as not set.

    Raises
    ------
    SettingsError
        With every variable that cannot be read, what was expected and what came.

    >>> load_settings({"GEO_SERVICE_PORT": "8100"}).port
    8100
    """
    source = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    faults: list[str] = []
    for item in fields(Settings):
        text = source.get(item.metadata["env"], "")
        if not text.strip():
            continue
        try:
            values[item.name] = item.metadata["read"](text)
        except ValueError:
            faults.append(
                f"{item.metadata['env']}: expected {item.metadata['expected']}, got {text!r}"
            )
    settings = Settings(**values)
    if settings.geocoder and not settings.geocoder_contact:
        faults.append(
            "GEO_SERVICE_GEOCODER_CONTACT: expected a contact, because"
            f" GEO_SERVICE_GEOCODER names {settings.geocoder!r}, got none"
        )
    if settings.geocoder and not settings.geocoder_url:
        faults.append(
            "GEO_SERVICE_GEOCODER_URL: expected the endpoint's address, because"
            f" GEO_SERVICE_GEOCODER names {settings.geocoder!r}, got none"
        )
    faults += _tile_faults(settings)
    if settings.rate_limit_storage and find_spec("redis") is None:
        faults.append(
            "GEO_SERVICE_RATE_LIMIT_STORAGE: expected the package redis beside it"
            " (pip install geo-service[redis]), got none"
        )
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


@contextmanager
def private_font_cache() -> Iterator[None]:
    """Give matplotlib a folder of its own meanwhile, so that it writes nothing into the home.

    It is to be entered before there are threads and workers, which all use the folder; the
    process that made it removes it. A folder that ``MPLCONFIGDIR`` names already is left.
    """
    if os.environ.get("MPLCONFIGDIR"):
        yield
        return
    owner, folder = os.getpid(), tempfile.mkdtemp(prefix="geo-service-")
    os.environ["MPLCONFIGDIR"] = folder
    try:
        yield
    finally:
        if os.getpid() == owner:  # a worker leaves by this way, too
            del os.environ["MPLCONFIGDIR"]
            shutil.rmtree(folder, ignore_errors=True)


def missing_settings(settings: Settings) -> tuple[str, ...]:
    """Return the variables that a public service must set and this one has not.

    >>> missing_settings(Settings(operator="Kreis Auenland"))[0]
    'GEO_SERVICE_OPERATOR_ADDRESS'
    """
    variables = {item.name: str(item.metadata["env"]) for item in fields(Settings)}
    return tuple(variables[name] for name in _REQUIRED if not getattr(settings, name))


def _tile_faults(settings: Settings) -> list[str]:
    """Return what keeps the base map's settings from fitting together."""
    if settings.tiles_url in {"off", *TILE_PRESETS}:
        return []
    host = (urlsplit(settings.tiles_url).hostname or "").rstrip(".")
    if host == "openstreetmap.org" or host.endswith((".openstreetmap.org", ".osm.org")):
        return [
            f"GEO_SERVICE_TILES_URL: expected your own or a provider's tile server, got {host};"
            f" its usage policy ({_OSM_POLICY}) is no base for a public service of others"
        ]
    if not settings.tiles_attribution:
        return [
            "GEO_SERVICE_TILES_ATTRIBUTION: expected the source note of the base map, because"
            f" GEO_SERVICE_TILES_URL names {host}, got none"
        ]
    return []
