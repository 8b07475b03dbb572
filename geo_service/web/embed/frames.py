"""Who may frame an embed: everyone, or the hosts of a partner key.

The browser enforces it by ``frame-ancestors``. Where a request tells that a wrong site frames
us, the answer is a page that says so and holds nothing else; that page may be framed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geo_service.config import Settings

__all__ = ["Refusal", "allows", "frame_headers", "may_embed", "partner_hosts", "refusal"]

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors {who}"
)
_FRAMES: Final = frozenset({"iframe", "frame", "embed", "object"})
"""Values of ``Sec-Fetch-Dest`` (W3C Fetch Metadata) of what stands in another page."""
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is shown: the status of the answer and its text."""

    status: int
    title: str
    text: str


def partner_hosts(settings: Settings) -> Mapping[str, Sequence[str]]:
    """Return the hosts that may frame us by partner key."""
    hosts: Mapping[str, Sequence[str]] = json.loads(settings.embed_partners or "{}")
    return hosts


def may_embed(settings: Settings, partner: str) -> bool:
    """Tell whether anybody at all may frame an embed with this key, empty for none."""
    return partner in partner_hosts(settings) if partner else not settings.embed_only_partners


def frame_headers(hosts: Sequence[str] | None) -> dict[str, str]:
    """Return the headers of a page that `hosts` may frame, and we; None for everyone.

    ``X-Frame-Options`` cannot name hosts; whoever adds it looks at ``frame-ancestors``.
    """
    who = ("*",) if hosts is None else ("'self'", *hosts)
    return {
        "Content-Security-Policy": _CSP.format(who=" ".join(who)),
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def refusal(
    settings: Settings, partner: str, *, dest: str, referrer: str, own: str
) -> Refusal | None:
    """Return why this frame shows nothing; None where it may, as far as can be told.

    Parameters
    ----------
    settings
        Who is a partner, and whether all must be.
    partner
        The key of the address, empty if it has none.
    dest, referrer
        ``Sec-Fetch-Dest`` and ``Referer`` of the request; empty is unknown.
    own
        Our own origin, which may always.
    """
    hosts = partner_hosts(settings)
    framed = dest in _FRAMES
    if partner and partner not in hosts:
        return Refusal(
            404,
            gettext("Diese Karte kann hier nicht gezeigt werden"),
            gettext("Den Schlüssel in ihrer Adresse kennen wir nicht."),
        )
    if not partner and settings.embed_only_partners:
        allowed = not framed or _origin(referrer) == own
    else:
        known = bool(partner and framed and _origin(referrer))
        allowed = not known or _origin(referrer) == own or allows(hosts[partner], referrer)
    if allowed:
        return None
    return Refusal(
        403,
        gettext("Diese Karte kann hier nicht gezeigt werden"),
        gettext("Diese Website darf die Karte nicht einbinden."),
    )


def allows(hosts: Sequence[str], address: str) -> bool:
    """Tell whether a page at `address` is on one of `hosts`, as ``frame-ancestors`` reads them.

    >>> allows(["*.kreis.example"], "https://www.kreis.example/seite")
    True
    >>> allows(["*.kreis.example"], "https://kreis.example/")
    False
    """
    parts = urlsplit(address)
    return any(_matches(host, parts.scheme, parts.hostname or "", _port(address)) for host in hosts)


def _matches(pattern: str, scheme: str, host: str, port: int | None) -> bool:
    wanted, mark, rest = pattern.rpartition("://")
    if mark and wanted != scheme and (wanted, scheme) != ("http", "https"):
        return False
    name, _, number = rest.partition(":")
    if (int(number) if number else _PORTS.get(scheme)) != port:
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _port(address: str) -> int | None:
    parts = urlsplit(address)
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def _origin(address: str) -> str:
    """Return the origin of an address, empty if it has none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in _PORTS and parts.netloc else ""
