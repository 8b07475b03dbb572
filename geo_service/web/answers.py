"""Bytes to HTTP answers: compressed once, tagged, and not sent again when known."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import brotli
from flask import Response, request
from werkzeug.http import quote_etag

from geo_service.web.stencils import Written

if TYPE_CHECKING:
    from pathlib import Path
    from wsgiref.types import WSGIEnvironment

    from werkzeug.datastructures import Headers

__all__ = [
    "FOREVER",
    "HTML",
    "NOT_KEPT",
    "ONE_DAY",
    "PRIVATE",
    "PUBLIC",
    "Assets",
    "Body",
    "answer",
    "caching",
]

HTML: Final = "text/html; charset=utf-8"
PUBLIC: Final = "no-cache"
"""May be kept by everyone, who asks each time whether it changed."""
PRIVATE: Final = "private, no-cache"
"""For what tells where somebody is or looks: no proxy may keep it."""
NOT_KEPT: Final = "private, no-store"
"""For what leads on to an address that may tell that."""
ONE_DAY: Final = "public, max-age=86400"
FOREVER: Final = "public, max-age=31536000, immutable"
"""For addresses that change with their content."""

_NOT_COMPRESSED: Final = ("image/png", "image/jpeg", "image/webp", "application/pdf", "font/")
_MIMETYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class Body:
    """What an answer says, with its compressed forms made when first asked for.

    `revision` is None where the bytes do not come from the store. `quality` is brotli's:
    high for what many answers share, low for what is made for one.
    """

    content: bytes
    mimetype: str
    revision: int | None = None
    quality: int = 9

    @cached_property
    def tag(self) -> str:
        """Return an entity tag that is equal exactly for equal bytes of one revision."""
        said = self.content.mark if isinstance(self.content, Written) else self.content
        digest = hashlib.sha256(said).hexdigest()[:24]  # processors have it built in
        return digest if self.revision is None else f"r{self.revision}-{digest}"

    @cached_property
    def brotli(self) -> bytes:
        """Return the content compressed with brotli."""
        return bytes(brotli.compress(self.content, quality=self.quality))

    @cached_property
    def gzip(self) -> bytes:
        """Return the content compressed with gzip, without a time stamp."""
        return gzip.compress(self.content, compresslevel=6, mtime=0)


def caching(*, personal: bool) -> str:
    """Return who may keep an answer: the asker alone where the question tells of a person."""
    return PRIVATE if personal else PUBLIC


def answer(body: Body, *, cache: str = PUBLIC, status: int = 200) -> Response:
    """Answer with `body` in the best encoding the client takes, or with 304."""
    asked = request.environ
    encoding = _encoding(body) if "HTTP_ACCEPT_ENCODING" in asked else None
    tag = f"{body.tag}-{encoding}" if encoding else body.tag
    headers = [("Cache-Control", cache), ("Vary", "Accept-Encoding")]
    if status == 200:
        headers.append(("ETag", quote_etag(tag)))
        if "HTTP_IF_NONE_MATCH" in asked and request.if_none_match.contains_weak(tag):
            return Response(status=304, headers=headers)
    if encoding:
        headers.append(("Content-Encoding", encoding))
    content = _content(body, encoding)
    headers += [("Content-Type", body.mimetype), ("Content-Length", str(len(content)))]
    return _Complete([content], status=status, headers=headers)


class _Complete(Response):
    """An answer that knows its type and its length."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Return the headers; those of a plain answer without looking what they lack."""
        return self.headers if self.status_code == 200 else super().get_wsgi_headers(environ)


def _encoding(body: Body) -> str | None:
    if len(body.content) < 500 or body.mimetype.startswith(_NOT_COMPRESSED):
        return None
    for name in ("br", "gzip"):
        if request.accept_encodings.quality(name) > 0:
            return name
    return None


def _content(body: Body, encoding: str | None) -> bytes:
    if encoding is None:
        return body.content
    return body.brotli if encoding == "br" else body.gzip


class Assets:
    """Our static files, read once: names to bodies, and addresses that change with content.

    Only files that lay in the folder when the application was built are served.
    """

    def __init__(self, folder: Path) -> None:
        self._bodies = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in {*_MIMETYPES}
        }

    def __contains__(self, name: str) -> bool:
        return name in self._bodies

    def get(self, name: str) -> Body | None:
        """Return the file `name` (a path below the folder), None if there is none."""
        return self._bodies.get(name)

    def version(self, name: str) -> str:
        """Return a short text that changes with the file's content; empty if there is none."""
        body = self._bodies.get(name)
        return body.tag[:10] if body else ""


def _read(path: Path) -> Body:
    fallback = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Body(path.read_bytes(), _MIMETYPES.get(path.suffix, fallback))
