"""Texts that differ in a few words: written once with gaps, filled anew for every reader.

They are bytes, and know a short mark, so that a page that is made for one reader is neither
encoded nor hashed as a whole.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

__all__ = ["Gap", "Stencil", "Written"]

Gap = Callable[[Hashable], str]
"""Returns the mark of a gap, to be written where its text will stand."""

_MARK: Final = f"\ufdd0{secrets.token_hex(8)}-"
"""Begins a mark. No record can have it: it is drawn anew in each process and never sent."""
_MARKS: Final = re.compile(rf"{_MARK}(\d+)\ufdd1")


class Written(bytes):
    """Text in UTF-8 with a `mark`: few bytes, and others wherever the text is another one."""

    mark: bytes

    @classmethod
    def joined(
        cls, texts: Iterable[bytes], said: Iterable[bytes], *, between: bytes = b""
    ) -> Written:
        """Join `texts`; their mark follows from `said`, of which none holds a null byte."""
        written = cls(between.join(texts))
        written.mark = sha256(b"\0".join(said)).hexdigest().encode()
        return written


@dataclass(frozen=True, slots=True)
class Stencil:
    """Markup with gaps: `texts` stand around the `gaps`; `mark` is that of the texts."""

    texts: tuple[bytes, ...]
    gaps: tuple[Hashable, ...]
    mark: bytes

    @classmethod
    def of(cls, write: Callable[[Gap], str]) -> Stencil:
        """Make the stencil of what `write` returns; it is given the function that marks gaps.

        >>> texts = {"who": b"A &amp; B"}
        >>> Stencil.of(lambda gap: f"<b>{gap('who')}</b>").filled(texts.__getitem__)
        b'<b>A &amp; B</b>'
        """
        names: list[Hashable] = []

        def gap(name: Hashable) -> str:
            names.append(name)
            return f"{_MARK}{len(names) - 1}\ufdd1"

        parts = _MARKS.split(write(gap))
        texts = tuple(part.encode() for part in parts[::2])
        gaps = tuple(names[int(number)] for number in parts[1::2])
        return cls(texts, gaps, Written.joined((), texts).mark)

    def filled(self, value: Callable[[Hashable], bytes]) -> Written:
        """Return the markup with `value` of each gap's name in it."""
        values = [value(name) for name in self.gaps]
        parts = [b""] * (len(values) + len(self.texts))
        parts[::2], parts[1::2] = self.texts, values
        said = [one.mark if type(one) is Written else one for one in values]
        return Written.joined(parts, [self.mark, *said])

    def filled_with(self, text: bytes) -> bytes:
        """Return the markup with the same text in every gap."""
        return text.join(self.texts)
