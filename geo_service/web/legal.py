"""What the law asks of a public service, what search engines ask, and the operator's data."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from flask import Blueprint, request

from geo_service.config import MAILBOX
from geo_service.errors import NotFoundError
from geo_service.web.answers import Body, answer
from geo_service.web.area_pages import area_counts
from geo_service.web.languages import LANGUAGES, SOURCE, neutral_url_for, prefixed
from geo_service.web.place_pages import public_address
from geo_service.web.places import safe_url
from geo_service.web.rendering import html_body
from geo_service.web.site import the_site
from geo_service.web.themes import PAGES
from geo_service.web.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Response

    from geo_service.web.site import View

__all__ = ["contact_link", "legal"]

legal = Blueprint("legal", __name__)

CHECKED_ON: Final = dt.date(2026, 11, 22)
"""When the pages were last held against WCAG 2.1 AA, and the statement was written."""

MOST_ADDRESSES: Final = 50_000
"""Most addresses of one sitemap (sitemaps.org, protocol 0.9)."""

_PROGRAM_PATHS: Final = ("api/", "daten/", "kacheln/", "vorschlaege")
"""What is for programs: no page to find."""


@legal.get("/leichte-sprache")
def plain_language() -> Response:
    """Explain the service in Leichte Sprache."""
    return answer(html_body(the_site().view(), "leichte_sprache.html"))


@legal.get("/barrierefreiheit")
def accessibility() -> Response:
    """Show the accessibility statement."""
    view = the_site().view()
    return answer(html_body(view, "barrierefreiheit.html", checked_on=CHECKED_ON))


@legal.get("/datenschutz")
def privacy() -> Response:
    """Say what happens with visitors' data."""
    site = the_site()
    host = urlsplit(site.settings.geocoder_url).hostname if site.addresses else None
    values = {"geocoder_host": host, "checked_on": CHECKED_ON}
    return answer(html_body(site.view(), "datenschutz.html", **values))


@legal.get("/impressum")
def imprint() -> Response:
    """Say who runs the service."""
    return answer(html_body(the_site().view(), "impressum.html"))


@legal.get("/robots.txt")
def robots() -> Response:
    """Tell search engines what there is to read."""
    prefixes = ["/", *(f"/{code}/" for code in LANGUAGES)]
    lines = [
        "User-agent: *",
        "Allow: /static/",
        *(f"Disallow: {prefix}{path}" for prefix in prefixes for path in _PROGRAM_PATHS),
        # The same places in ever other choices.
        "Disallow: /*?",
        f"Sitemap: {public_address(neutral_url_for('legal.sitemap'))}",
        "",
    ]
    return answer(Body("\n".join(lines).encode(), "text/plain; charset=utf-8"))


@legal.get("/sitemap.xml")
def sitemap() -> Response:
    """List the pages in all languages for search engines; of too many, list the lists."""
    return _sitemap(None)


@legal.get("/sitemap-<int:part>.xml")
def sitemap_part(part: int) -> Response:
    """List a part of the pages, where they are too many for one list."""
    return _sitemap(part)


def _sitemap(part: int | None) -> Response:
    view = the_site().view()
    base = public_address("")
    make = partial(_write_sitemap, view, base, part)
    # Whoever asks may name any host; only the operator's address is worth keeping.
    kept = bool(the_site().settings.public_url)
    key = ("sitemap", view.today, base, part)
    return answer(view.snapshot.derive(key, make) if kept else make())


def _write_sitemap(view: View, base: str, part: int | None) -> Body:
    """Write part `part` of the list, from 1; without one the list, or what parts it has.

    Raises
    ------
    NotFoundError
        If the list has no such part.
    """
    addresses = _in_all_languages(list(_addresses(view)))
    starts = range(0, len(addresses), MOST_ADDRESSES)
    whole, one = "urlset", "url"
    if len(starts) > 1 and part is None:
        whole, one = "sitemapindex", "sitemap"
        numbers = range(1, len(starts) + 1)
        addresses = [neutral_url_for("legal.sitemap_part", part=number) for number in numbers]
    elif part is not None:
        if len(starts) == 1 or not 1 <= part <= len(starts):
            raise NotFoundError(gettext("Diese Datei gibt es nicht."))
        addresses = addresses[starts[part - 1] :][:MOST_ADDRESSES]
    lines = (f"<{one}><loc>{escape(base + address)}</loc></{one}>\n" for address in addresses)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{whole} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{''.join(lines)}</{whole}>\n"
    )
    return Body(text.encode(), "application/xml", view.snapshot.revision, quality=5)


def _in_all_languages(pages: list[str]) -> list[str]:
    """Return the canonical addresses of pages, given by their neutral ones."""
    others = [code for code in LANGUAGES if code != SOURCE.code]
    home = prefixed(neutral_url_for("pages.start"), SOURCE.code)
    return [*pages, home, *(prefixed(page, code) for code in others for page in pages)]


def _addresses(view: View) -> Iterator[str]:
    """Yield the pages worth finding: areas only where some place is known."""
    for endpoint in (
        "pages.start",
        "area_pages.overview",
        "area_pages.themes",
        "legal.plain_language",
        "legal.accessibility",
        "legal.privacy",
        "legal.imprint",
        "pages.sources",
    ):
        yield neutral_url_for(endpoint)
    for theme in PAGES:
        yield neutral_url_for("area_pages.theme", slug=theme.slug)
    for key in sorted(area_counts(view), key=lambda one: (len(one), one)):
        yield neutral_url_for("area_pages.area", key=key)
    for place in view.places:
        yield neutral_url_for("pages.place", place_id=place.id)


@legal.app_template_global()
def contact_link(contact: str, subject: str = "", body: str = "") -> str | None:
    """Return an address that opens a letter to `contact`, or its web page.

    None where it is neither a mailbox nor an http(s) address. A web page gets the subject as
    the parameter ``betreff``.

    >>> contact_link("hilfe@example.org", "Fehler & Lob")
    'mailto:hilfe@example.org?subject=Fehler%20%26%20Lob'
    >>> contact_link("javascript:alert(1)") is None
    True
    """
    plain = contact.strip().removeprefix("mailto:")
    if MAILBOX.fullmatch(plain):
        parts = {"subject": subject, "body": body}
        given = "&".join(f"{key}={quote(text, safe='')}" for key, text in parts.items() if text)
        return f"mailto:{quote(plain, safe='@+')}" + (f"?{given}" if given else "")
    address = safe_url(plain)
    if address is None or not subject:
        return address
    page, mark, fragment = address.partition("#")
    joint = "&" if "?" in page else "?"
    return f"{page}{joint}betreff={quote(subject, safe='')}{mark}{fragment}"


@legal.app_template_global()
def lines_of(text: str) -> list[str]:
    """Return the lines of a setting that has several."""
    return [line.strip() for line in text.split(";") if line.strip()]


@legal.app_template_global()
def section() -> str:
    """Return which part of the service the page belongs to, for the bar on top."""
    endpoint = request.endpoint or ""
    if endpoint in {"pages.start", "pages.place"}:
        return "places"
    if endpoint in {"area_pages.themes", "area_pages.theme"}:
        return "themes"
    if endpoint.startswith("area_pages."):
        return "areas"
    return "plain" if endpoint == "legal.plain_language" else ""
