"""Where a walk through pages goes on: a text that only we read, and that is checked.

It holds the order's key of the last record that was given, so the next page begins behind
that key, whatever was imported in between.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from geo_service.web.api.media import to_json
from geo_service.web.api.parameters import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cursor", "question_of", "read_cursor"]

_EXPECTED: Final = "one that an answer to the same question gave"
_MOST: Final = 2**53
"""Revisions and distances are whole numbers from 0 to this, which floats still tell apart."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The revision of the page before, and the key of its last record."""

    revision: int
    key: tuple[Any, str]

    def text(self, question: str) -> str:
        """Write it for a question; letters, digits, ``-`` and ``_``."""
        said = to_json([question, self.revision, *self.key])
        return base64.urlsafe_b64encode(said).decode().rstrip("=")


def question_of(asked: Mapping[str, Any]) -> str:
    """Return a short text that is the same for questions whose walks are the same."""
    said = repr([item for item in asked.items() if item[0] not in _PER_PAGE])
    return blake2b(said.encode(), digest_size=6).hexdigest()


_PER_PAGE: Final = frozenset({"cursor", "limit", "fields"})


def read_cursor(text: str, question: str, kind: type) -> Cursor:
    """Read what `Cursor.text` wrote; `kind` is that of the key's first part.

    Raises
    ------
    ParameterError
        If it was not written for this question (409: it may be well formed).
    """
    try:
        said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        asked, revision, first, record_id = said
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ParameterError("cursor", _EXPECTED, text, status=409) from None
    wanted = {"asked": str, "revision": int, "first": kind, "id": str}
    given = (asked, revision, first, record_id)
    fits = all(type(one) is type_ for one, type_ in zip(given, wanted.values(), strict=True))
    counts = all(0 <= one <= _MOST for one in given if type(one) is int)
    if not fits or not counts or asked != question:
        raise ParameterError("cursor", _EXPECTED, text, status=409)
    return Cursor(revision, (first, record_id))
