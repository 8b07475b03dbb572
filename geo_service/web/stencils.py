"""Texts that differ in a few words: written once with gaps, filled anew for every reader."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

__all__ = ["Gap", "Stencil"]

Gap = Callable[[Hashable], str]
"""Returns the mark of a gap, to be written where its text will stand."""

_MARK: Final = f"\ufdd0{secrets.token_hex(8)}-"
"""Begins a mark. No record can have it: it is drawn anew in each process and never sent."""
_MARKS: Final = re.compile(rf"{_MARK}(\d+)\ufdd1")


@dataclass(frozen=True, slots=True)
class Stencil:
    """Markup with gaps: `parts` are text, then by turns the name of a gap and text."""

    parts: tuple[Hashable, ...]

    @classmethod
    def of(cls, write: Callable[[Gap], str]) -> Stencil:
        """Make the stencil of what `write` returns; it is given the function that marks gaps.

        >>> from markupsafe import escape
        >>> texts = {"who": escape("A & B")}
        >>> Stencil.of(lambda gap: f"<b>{gap('who')}</b>").filled(texts.__getitem__)
        Markup('<b>A &amp; B</b>')
        """
        names: list[Hashable] = []

        def gap(name: Hashable) -> str:
            names.append(name)
            return f"{_MARK}{len(names) - 1}\ufdd1"

        parts: list[Hashable] = list(_MARKS.split(write(gap)))
        parts[1::2] = [names[int(str(number))] for number in parts[1::2]]
        return cls(tuple(parts))

    def filled(self, value: Callable[[Hashable], Markup]) -> Markup:
        """Return the markup with `value` of each gap's name in it."""
        parts: list[Any] = list(self.parts)
        parts[1::2] = map(value, parts[1::2])
        return Markup("".join(parts))  # noqa: S704 - written by templates, and markup in the gaps
