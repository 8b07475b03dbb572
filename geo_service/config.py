"""Settings: one frozen object, read once from the environment. Only this module reads it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from geo_service.errors import SettingsError

__all__ = [
    "Settings",
    "data_dir",
    "load_settings",
    "static_dir",
    "templates_dir",
    "translations_dir",
]

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
        "Who runs this service; shown in the footer. Pages say so where it is missing.",
    )
    contact: str = _setting(
        "",
        "GEO_SERVICE_CONTACT",
        _text,
        "a role mailbox or web address",
        "Where visitors report mistakes; shown in the footer.",
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
    if faults:
        raise SettingsError("\n".join(faults))
    return settings
