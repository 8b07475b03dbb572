"""oEmbed 1.0 (oembed.com): from the address of a page of ours to what shows it elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from geo_service.errors import InputError, NotFoundError
from geo_service.web.answers import Body, answer
from geo_service.web.embed.choice import LOCK, Embed, read_embed
from geo_service.web.embed.frames import may_embed
from geo_service.web.embed.snippets import HEIGHT, WIDTH, Snippet
from geo_service.web.languages import LANGUAGES, neutral_url_for
from geo_service.web.place_pages import public_address
from geo_service.web.queries import AddressError, read_text
from geo_service.web.rendering import area_index
from geo_service.web.site import View, the_site
from geo_service.web.themes import PAGES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

__all__ = ["discovery", "oembeds"]

oembeds = Blueprint("oembed", __name__)

DAY_S: Final = 86_400
MOST_URL: Final = 2_000
"""Most characters of an address that is asked for."""

_PORTS: Final = {"http": 80, "https": 443}


@oembeds.get("/oembed")
def oembed() -> Response:
    """Answer what shows one of our pages in a frame: JSON, or XML where that is asked for."""
    try:
        wanted = read_text(request.args, "format") or "json"
        if wanted not in ("json", "xml"):
            return _plain(501, "format: expected json or xml")
        content = _content(the_site().view())
    except NotFoundError as error:
        return _plain(404, str(error))
    except InputError as error:
        return _plain(400, str(error))
    if wanted == "json":
        text, kind = json.dumps(content, ensure_ascii=False), "application/json"
    else:
        text, kind = _xml(content), "text/xml; charset=utf-8"
    return _open(answer(Body(text.encode(), kind, quality=5), cache="no-cache"))


@oembeds.app_template_global("oembed_address")
def discovery(path: str, home: str | None = None) -> str:
    """Return the address that answers how to embed our page at `path`.

    `home` is our own address; by default the operator's, so that a page that is kept names no
    host that a stranger asked with.
    """
    home = the_site().settings.public_url if home is None else home
    return f"{home}{neutral_url_for('oembed.oembed')}?url={quote(home + path, safe='')}"


def _content(view: View) -> dict[str, Any]:
    width = _most(request.args, "maxwidth", WIDTH)
    height = _most(request.args, "maxheight", HEIGHT)
    code, embed = _embed_of(view, read_text(request.args, "url", most=MOST_URL))
    if not may_embed(the_site().settings, embed.partner):
        raise NotFoundError("url: expected the address of an embed with a partner key of ours")
    base = public_address(neutral_url_for("pages.start").rstrip("/"))
    name = the_site().settings.service_name
    snippet = Snippet(view, embed, base=base, code=code, height=height, name=name)
    return {
        "version": "1.0",
        "type": "rich",
        "title": snippet.title,
        "provider_name": name,
        "provider_url": f"{base}/",
        "cache_age": DAY_S,
        "width": width,
        "height": height,
        "html": snippet.iframe(width=str(width)),
    }


def _embed_of(view: View, url: str) -> tuple[str, Embed]:
    """Return language and embed of an address of ours.

    Raises
    ------
    NotFoundError
        If it is not an address of ours, or of nothing that can be embedded.
    """
    base = urlsplit(public_address(neutral_url_for("pages.start")))
    try:
        parts = urlsplit(url)
        ours = not (parts.scheme or parts.netloc) or _origin(parts) == _origin(base)
    except ValueError:
        raise NotFoundError("url: expected an address of this service") from None
    path = unquote(parts.path)
    if not ours or not path.startswith(base.path):
        raise NotFoundError("url: expected an address of this service")
    path = path[len(base.path) :]
    code, slash, rest = path.partition("/")
    if slash and code in LANGUAGES:
        path = rest
    else:
        code = ""
    args = MultiDict(parse_qsl(parts.query, keep_blank_values=True))
    return code, _read(view, path, args)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Return what two addresses of one service have in common, however they are written.

    Who names a user means no address of ours: ``http://us@them/``.

    Raises
    ------
    ValueError
        If the port is none, or a user is named.
    """
    if "@" in parts.netloc:
        raise ValueError("expected no user in an address")
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _read(view: View, path: str, args: MultiDict[str, str]) -> Embed:
    kind, _, name = path.partition("/")
    if kind == "embed":
        return read_embed(args, view, name)
    if path == "":
        return Embed(free=read_embed(args, view, "karte").free)
    if kind == "gebiete" and (key := area_index(view).canonical(name)):
        lock = {LOCK + "gebiet": key} if key in view.area_keys else {}
        return read_embed(MultiDict(lock), view, "karte")
    theme = next((one.value for one in PAGES if one.slug == name), None)
    if kind == "themen" and theme:
        return read_embed(MultiDict({LOCK + "thema": theme}), view, "karte")
    raise NotFoundError("url: expected a page of this service that can be embedded")


def _most(args: MultiDict[str, str], name: str, default: int) -> int:
    text = read_text(args, name)
    digits = text.isascii() and text.isdigit() and len(text) <= 6
    if text and not (digits and int(text)):
        said = f"{name}: expected a whole number of pixels from 1 to 999999, got {text}"
        raise AddressError(name, said)
    return min(int(text), default) if text else default


def _xml(content: Mapping[str, Any]) -> str:
    items = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in content.items())
    head = '<?xml version="1.0" encoding="utf-8" standalone="yes"?>'
    return f"{head}\n<oembed>{items}</oembed>\n"


def _plain(status: int, text: str) -> Response:
    body = Body(text.encode(), "text/plain; charset=utf-8")
    return _open(answer(body, cache="no-store", status=status))


def _open(response: Response) -> Response:
    """Let scripts of every page read the answer, which is the same for everyone."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
