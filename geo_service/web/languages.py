"""Which language a page speaks: the first part of its address says so, and nothing else.

``/orte/7`` is German, ``/ar/orte/7`` the same page in Arabic. A language is a mount point:
`LanguageMount` moves ``/ar`` from the path into WSGI's ``SCRIPT_NAME``, so every route
exists in every language and `flask.url_for` keeps the reader's language by itself.

``Accept-Language`` decides at one address alone, ``/`` without a query: whoever prefers
another language of ours is sent on to it. ``/de/`` is German by choice and stays German.
To search engines ``/`` is the page that greets (``x-default``) and ``/de/`` the German one;
any other page below ``/de/`` names its address without the prefix as its canonical one.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from babel import Locale
from flask import Response, current_app, redirect, request, url_for
from flask_babel import Babel, get_translations
from jinja2 import pass_eval_context
from markupsafe import Markup
from werkzeug.datastructures import LanguageAccept
from werkzeug.wrappers import Response as PlainResponse

from geo_service.config import translations_dir
from geo_service.web.answers import NOT_KEPT, ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask
    from jinja2.nodes import EvalContext

__all__ = [
    "LANGUAGES",
    "SOURCE",
    "Language",
    "LanguageLink",
    "LanguageMount",
    "canonical_address",
    "init_languages",
    "language",
    "language_links",
    "neutral_url_for",
    "page_variant",
    "prefixed",
    "translated",
    "translated_count",
]

_ROOT_KEY: Final = "geo_service.root"
_HOME_KEY: Final = "PUBLIC_HOME"
_prefix: ContextVar[str] = ContextVar("language_prefix", default="")


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """A language of the pages; there is one object of each.

    `code` is the prefix of addresses and the ``lang`` of pages; `locale` says whose numbers
    and dates are written (CLDR); `name` is what the language calls itself.
    """

    code: str
    name: str
    locale: str

    @property
    def direction(self) -> str:
        """Return ``rtl`` where lines run from right to left, else ``ltr``."""
        return Locale.parse(self.locale).text_direction


SOURCE: Final = Language("de", "Deutsch", "de_DE")
"""The language that templates and code are written in."""

LANGUAGES: Final[dict[str, Language]] = {
    one.code: one
    for one in (
        SOURCE,
        Language("en", "English", "en_GB"),
        Language("fr", "Français", "fr_FR"),
        Language("uk", "Українська", "uk_UA"),
        Language("ru", "Русский", "ru_RU"),
        Language("ar", "العربية", "ar"),
        Language("fa", "فارسی", "fa_IR"),
        Language("tr", "Türkçe", "tr_TR"),
    )
}
"""The languages by code, in the order of the switcher."""


class LanguageMount:
    """WSGI middleware: the language in front of the path becomes part of the mount point."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request in the language that its path begins with."""
        root, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        code, slash, _ = path[1:].partition("/")
        mounted = environ | {_ROOT_KEY: root}
        prefix = code if path.startswith("/") and code in LANGUAGES else ""
        if prefix:
            if not slash:
                return _to_folder(root, code, environ)(environ, start_response)
            mounted |= {"SCRIPT_NAME": f"{root}/{code}", "PATH_INFO": path[len(code) + 1 :]}
        before = _prefix.set(prefix)
        try:
            return self._app(mounted, start_response)
        finally:
            _prefix.reset(before)


def _to_folder(root: str, code: str, environ: WSGIEnvironment) -> PlainResponse:
    """Send ``/ar`` on to ``/ar/``."""
    query = environ.get("QUERY_STRING", "")
    address = f"{quote(root)}/{code}/" + (f"?{query}" if query else "")
    headers = {"Location": address, "Cache-Control": NOT_KEPT if query else ONE_DAY}
    return PlainResponse(status=308, headers=headers)


def init_languages(app: Flask, *, public_url: str = "") -> None:
    """Give `app` its languages: addresses, catalogues, and what templates need of them.

    `public_url` begins the addresses for search engines; where it is empty they have no
    host, because a page that is kept must not repeat the one a stranger asked with.

    Templates get ``_``, ``ngettext``, ``{% trans %}`` (white space trimmed), ``language``,
    ``language_links``, ``canonical_address``, ``neutral_url_for`` and ``script_texts``.
    """
    app.config[_HOME_KEY] = public_url
    app.wsgi_app = LanguageMount(app.wsgi_app)  # type: ignore[method-assign]
    Babel(
        app,
        default_locale=SOURCE.locale,
        default_timezone="Europe/Berlin",
        default_translation_directories=str(translations_dir()),
        locale_selector=lambda: language().locale,
    )
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        translated, translated_count, newstyle=True
    )
    say, say_count = pass_eval_context(_say), pass_eval_context(_say_count)
    app.jinja_env.globals |= {"_": say, "gettext": say, "ngettext": say_count}
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    texts = _read_script_texts()
    app.jinja_env.globals |= {
        "language": language,
        "script_texts": lambda: texts[language().code],
        "canonical_address": canonical_address,
        "language_links": language_links,
        "neutral_url_for": neutral_url_for,
    }
    app.before_request(_greet)
    app.after_request(_name_language)


def translated(text: str) -> str:
    """Return a text of the catalogue in the page's language; looked up once per language."""
    return _translated(language().locale, text)


@lru_cache(maxsize=8192)
def _translated(_locale: str, text: str) -> str:
    return str(get_translations().ugettext(text))


def translated_count(one: str, many: str, count: int) -> str:
    """Return the form of a text that `count` takes, in the page's language."""
    return _translated_form(language().locale, one, many, count)


@lru_cache(maxsize=8192)
def _translated_form(_locale: str, one: str, many: str, count: int) -> str:
    return str(get_translations().ungettext(one, many, count))


def _say(context: EvalContext, text: str, /, **values: object) -> str:
    """Return what templates call ``_``: as Jinja's own, which looks for itself at each call."""
    said = translated(text)
    if context.autoescape:
        said = Markup(said)  # noqa: S704 - texts of ours
    return said % values if "%" in said else said


def _say_count(context: EvalContext, one: str, many: str, count: int, /, **values: object) -> str:
    """Return what templates call ``ngettext``."""
    said = translated_count(one, many, count)
    if context.autoescape:
        said = Markup(said)  # noqa: S704 - texts of ours
    return said % {"num": count, **values}


def _read_script_texts() -> dict[str, Any]:
    """Return what js/texts.js needs, by language: nothing for the source's."""
    paths = {code: translations_dir() / code / "script.json" for code in LANGUAGES}
    return {
        code: {} if LANGUAGES[code] is SOURCE else json.loads(path.read_text("utf-8"))
        for code, path in paths.items()
    }


def language() -> Language:
    """Return the language of this request; German outside of one."""
    return LANGUAGES[_prefix.get() or SOURCE.code]


def page_variant() -> str:
    """Return what tells apart the pages of one address: part of every page's cache key.

    It is the prefix and not the language, because ``/`` and ``/de/`` hold other links.
    """
    return _prefix.get()


def neutral_url_for(endpoint: str, **values: Any) -> str:
    """Return an address without language, for files that are the same in all of them."""
    return _without_prefix(url_for(endpoint, **values))


def prefixed(address: str, code: str) -> str:
    """Return the address of `neutral_url_for` in the language `code`."""
    root = quote(request.environ.get(_ROOT_KEY, ""))
    return f"{root}/{code}{address[len(root) :]}"


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """A page in one language; `alternate` is the address that search engines get."""

    language: Language
    address: str
    alternate: str
    current: bool


def language_links(query: str = "") -> tuple[LanguageLink, ...]:
    """Return this page in every language.

    Parameters
    ----------
    query
        The page's query string in its one normal form, with its ``?``; never the raw one
        of the request, because the page is kept for everyone who asks for the same set.
    """
    root = quote(request.environ.get(_ROOT_KEY, ""))
    path = quote(request.path) + query
    return tuple(
        LanguageLink(
            one,
            f"{root}/{one.code}{path}",
            _public_address(one.code, query),
            one is language(),
        )
        for one in LANGUAGES.values()
    )


def canonical_address(query: str = "", *, neutral: bool = False) -> str:
    """Return the one address that search engines keep this page under.

    Parameters
    ----------
    query
        As for `language_links`.
    neutral
        The page for whoever speaks none of our languages instead (``x-default``): the
        address without a language, where ``/`` chooses one.
    """
    return _public_address("" if neutral else _prefix.get(), query)


def _public_address(code: str, query: str) -> str:
    """Return this page's address below the prefix `code`; German has one at ``/`` alone."""
    home = current_app.config.get(_HOME_KEY) or quote(request.environ.get(_ROOT_KEY, ""))
    if code == SOURCE.code and request.path != "/":
        code = ""
    return home + (f"/{code}" if code else "") + quote(request.path) + query


def _without_prefix(address: str) -> str:
    root, prefix = quote(request.environ.get(_ROOT_KEY, "")), _prefix.get()
    start = f"{root}/{prefix}/"
    return f"{root}/{address[len(start) :]}" if prefix and address.startswith(start) else address


def _greet() -> PlainResponse | None:
    """Send a reader at ``/`` on to the language that their browser asks for, if it is ours."""
    if _prefix.get() or request.path != "/" or request.query_string:
        return None
    wanted = preferred(request.accept_languages)
    if wanted is SOURCE:
        return None
    answer = redirect(f"{request.script_root}/{wanted.code}/", 302)
    answer.headers["Cache-Control"] = NOT_KEPT
    return answer


def preferred(accepted: LanguageAccept) -> Language:
    """Return the language of ours that a browser puts first; German where it names none.

    >>> preferred(LanguageAccept([("ar-SY", 1), ("de", 0.8)])).code
    'ar'
    >>> preferred(LanguageAccept([("nl", 1), ("*", 0.5)])).code
    'de'
    """
    for tag, quality in sorted(accepted, key=lambda one: -one[1]):
        found = LANGUAGES.get(tag.replace("_", "-").partition("-")[0].casefold())
        if found and quality > 0:
            return found
    return SOURCE


def _name_language(response: Response) -> Response:
    """Say in which language a page is, and that ``/`` depends on the browser's."""
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Language", language().code)
        if not _prefix.get() and request.path == "/" and not request.query_string:
            response.vary.add("Accept-Language")
    return response
