"""The page on which partners put an embed together. German alone, like the planners' pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from flask import Blueprint, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from geo_service.schema import CATEGORY_GROUPS, THEMES
from geo_service.web.answers import HTML, Body, answer
from geo_service.web.embed.choice import LOCK, LOCKABLE, SHOWS, Embed, read_embed, select
from geo_service.web.embed.colour import DEFAULT
from geo_service.web.embed.frames import may_embed
from geo_service.web.embed.oembed import discovery
from geo_service.web.embed.snippets import HEIGHT, HEIGHTS, Snippet
from geo_service.web.languages import LANGUAGES, SOURCE, neutral_url_for, page_variant
from geo_service.web.place_pages import public_address
from geo_service.web.places import GROUP_NAMES
from geo_service.web.queries import AddressError, check_encoding, read_text
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from geo_service.web.site import View

__all__ = ["builders"]

builders = Blueprint("builder", __name__)

SHOW_NAMES: Final = {
    "karte": "Karte und Liste",
    "liste": "nur die Liste",
    "nur-karte": "nur die Karte (die Liste lässt sich aufklappen)",
}
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; frame-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)


@builders.get("/einbetten")
def build() -> Response:
    """Show the form, the preview and what to paste."""
    if page_variant():
        query = request.query_string.decode("latin-1")
        address = neutral_url_for("builder.build")
        return cast("Response", redirect(f"{address}?{query}" if query else address, 308))
    check_encoding(request.query_string)
    view = the_site().view()
    page = BuilderPage(view, request.args)
    text = render_template("einbetten/bauen.html", page=page)
    status = 400 if page.fault else 200
    response = answer(Body(text.encode(), HTML, quality=5), cache="no-cache", status=status)
    response.headers["Content-Security-Policy"] = _CSP
    return response


@dataclass(frozen=True)
class BuilderPage:
    """The form with what was chosen, and what comes of it."""

    view: View
    args: MultiDict[str, str]

    # ------------------------------------------------------------------------ the form

    @property
    def shows(self) -> Mapping[str, str]:
        """Return the views by their word in addresses."""
        return SHOW_NAMES

    @property
    def languages(self) -> Mapping[str, str]:
        """Return the languages by code."""
        return {code: one.name for code, one in LANGUAGES.items()}

    @property
    def groups(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Return the groups with their names and categories, those of one category without."""
        return {
            group: (name, CATEGORY_GROUPS[group] if len(CATEGORY_GROUPS[group]) > 1 else ())
            for group, name in GROUP_NAMES.items()
        }

    @property
    def themes(self) -> tuple[str, ...]:
        """Return the Leitthemen."""
        return tuple(THEMES)

    @property
    def areas(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """Return the Kreise, each with the areas in it: key, name, its areas."""
        return [
            (key, kreis.name, list(self.view.areas_in(key)))
            for key, kreis in self.view.kreise.items()
        ]

    @property
    def default_accent(self) -> str:
        """Return our own colour."""
        return DEFAULT

    @property
    def heights(self) -> tuple[int, int]:
        """Return the least and the greatest height in pixels."""
        return HEIGHTS

    @property
    def default_height(self) -> int:
        """Return the height that frames have unless another is asked for."""
        return HEIGHT

    @property
    def chosen_areas(self) -> tuple[str, str]:
        """Return the keys of the two fields for areas, empty where there is none."""
        first, second, *_ = (*filter(None, self.args.getlist("gebiet")), "", "")
        return first, second

    def value(self, name: str, default: str = "") -> str:
        """Return what was given for a field that has one value."""
        return self.args.get(name, default)

    def has(self, name: str, value: str) -> bool:
        """Tell whether `value` was chosen."""
        return value in self.args.getlist(name)

    # ------------------------------------------------------------------- what comes of it

    @cached_property
    def _result(self) -> tuple[Embed, int | None] | AddressError:
        try:
            return _read(self.view, self.args)
        except AddressError as error:
            return error

    @property
    def fault(self) -> AddressError | None:
        """Return what cannot be read; nothing is handed out then."""
        return self._result if isinstance(self._result, AddressError) else None

    @property
    def empty(self) -> bool:
        """Whether the choice leaves no place."""
        return not len(select(self.view, self.snippet.embed).numbers)

    @cached_property
    def snippet(self) -> Snippet:
        """Return what to paste."""
        if isinstance(self._result, AddressError):
            raise self._result
        embed, height = self._result
        base = public_address(neutral_url_for("pages.start").rstrip("/"))
        code = self.value("sprache")
        return Snippet(
            self.view,
            embed,
            base=base,
            code=code if code != SOURCE.code else "",
            height=height,
            name=the_site().settings.service_name,
        )

    @property
    def preview(self) -> str:
        """Return the frame's address on the very host that shows this page."""
        code, embed = self.snippet.code, self.snippet.embed
        home = neutral_url_for("pages.start")
        return f"{home}{code + '/' if code else ''}embed/{embed.show}{embed.query}"

    @property
    def preview_title(self) -> str:
        """Return what the frame is called."""
        return f"Vorschau: {self.snippet.title}"

    @property
    def oembed(self) -> str:
        """Return the address that answers by oEmbed."""
        return discovery(self.preview, public_address(""))


def _read(view: View, args: MultiDict[str, str]) -> tuple[Embed, int | None]:
    """Read the form: what is ticked as locked becomes the lock, the rest the first choice."""
    locked = {name for name in args.getlist("fest") if name in LOCKABLE}
    given = {name: args.getlist(name) for name in LOCKABLE}
    if "gebiet" not in locked and len({*filter(None, given["gebiet"])}) > 1:
        said = "Mehrere Gebiete gehen nur fest: Kreuzen Sie das an, oder wählen Sie eines."
        raise AddressError("gebiet", said)
    pairs = [
        (LOCK + name if name in locked else name, value)
        for name, values in given.items()
        for value in values
        if value.strip()
    ]
    pairs += [(name, args[name]) for name in ("farbe", "start", "partner") if args.get(name)]
    show = read_text(args, "ansicht") or SHOWS[0]
    if show not in SHOWS:
        raise AddressError("ansicht", f"Die Ansicht „{show}“ gibt es nicht.")
    code = read_text(args, "sprache")
    if code and code not in LANGUAGES:
        raise AddressError("sprache", f"Die Sprache „{code}“ gibt es hier nicht.")
    embed = read_embed(MultiDict(pairs), view, show)
    _check_partner(embed.partner)
    return embed, _read_height(args)


def _check_partner(key: str) -> None:
    if may_embed(the_site().settings, key):
        return
    said = f"Den Schlüssel „{key}“ kennen wir nicht."
    if not key:
        said = "Zum Einbinden brauchen Sie einen Schlüssel. Sie bekommen ihn vom Betreiber."
    raise AddressError("partner", said)


def _read_height(args: MultiDict[str, str]) -> int | None:
    text = read_text(args, "hoehe")
    if not text:
        return None
    least, most = HEIGHTS
    digits = text.isascii() and text.isdigit() and len(text) <= 6
    if not (digits and least <= int(text) <= most):
        said = f"Die Höhe muss eine ganze Zahl von {least} bis {most} Pixeln sein."
        raise AddressError("hoehe", said)
    return int(text)
