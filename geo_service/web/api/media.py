"""In which format an answer is sent, and how: tagged, compressed, or piece by piece."""

from __future__ import annotations

import csv
import io
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal

import brotli
from flask import Response, request

from geo_service.formats import neutralise_cell
from geo_service.web.answers import PUBLIC, Body, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "MEDIA_TYPES",
    "Format",
    "TaggedBody",
    "chosen_format",
    "csv_text",
    "send",
    "send_stream",
    "tag_of",
    "to_json",
]

Format = Literal["geojson", "json", "csv"]
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "geojson": "application/geo+json",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
}

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def to_json(value: Any) -> bytes:
    """Write a value as compact JSON, UTF-8."""
    return _ENCODE(value).encode()


def csv_text(rows: Iterable[Sequence[Any]]) -> bytes:
    """Write rows as CSV (RFC 4180), UTF-8; what a spreadsheet would run is neutralised."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in rows:
        writer.writerow([neutralise_cell(one) if isinstance(one, str) else one for one in row])
    return buffer.getvalue().encode()


def chosen_format(offered: Sequence[Format], extension: Format | None) -> Format | None:
    """Return the format by extension or Accept, the first one by default; None if there is none."""
    if extension is not None:
        return extension
    accepted = request.accept_mimetypes if "HTTP_ACCEPT" in request.environ else None
    if not accepted:
        return offered[0]
    quality = {name: accepted.quality(MEDIA_TYPES[name].split(";")[0]) for name in offered}
    best = max(offered, key=lambda name: quality[name])
    return best if quality[best] > 0 else None


def tag_of(revision: int, *said: bytes) -> str:
    """Return an entity tag that changes with the revision or anything that is said."""
    digest = blake2b(digest_size=12)
    for part in said:
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"r{revision}-{digest.hexdigest()}"


@dataclass(frozen=True)
class TaggedBody(Body):
    """A body whose tag follows from what it answers, so that its bytes are not hashed."""

    known_tag: str = ""

    @cached_property
    def tag(self) -> str:
        """Return the tag that was given."""
        return self.known_tag


def send(content: bytes, format_: Format, tag: str, *, cache: str = PUBLIC) -> Response:
    """Answer in the best encoding the client takes, or with 304."""
    return answer(TaggedBody(content, MEDIA_TYPES[format_], quality=4, known_tag=tag), cache=cache)


def send_stream(
    pieces: Callable[[], Iterator[bytes]], format_: Format, tag: str, *, cache: str = PUBLIC
) -> Response:
    """Answer piece by piece, in the best encoding the client takes, or with 304."""
    encoding = next(
        (name for name in ("br", "gzip") if request.accept_encodings.quality(name) > 0), None
    )
    own_tag = f"{tag}-{encoding}" if encoding else tag
    if request.if_none_match.contains_weak(own_tag):
        response = Response(status=304)
    else:
        content = iter(()) if request.method == "HEAD" else _encoded(pieces(), encoding)
        response = Response(content, content_type=MEDIA_TYPES[format_])
        if encoding:
            response.content_encoding = encoding
    response.set_etag(own_tag)
    response.headers["Cache-Control"] = cache
    response.headers["Vary"] = "Accept-Encoding"
    return response


def _encoded(pieces: Iterator[bytes], encoding: str | None) -> Iterator[bytes]:
    if encoding is None:
        return pieces
    if encoding == "br":
        packer = brotli.Compressor(quality=4)
        return _packed(pieces, packer.process, packer.finish)
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: with gzip's head and sum
    return _packed(pieces, deflater.compress, deflater.flush)


def _packed(
    pieces: Iterator[bytes], add: Callable[[bytes], bytes], end: Callable[[], bytes]
) -> Iterator[bytes]:
    for piece in pieces:
        packed = add(piece)
        if packed:
            yield packed
    yield end()
