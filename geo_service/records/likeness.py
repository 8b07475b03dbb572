"""How alike names are, whole columns at once.

Names are compared in the form of `names.fold`. Two names with different numbers in them
("Treff 1", "Treff 2") are never alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
from rapidfuzz import fuzz, process

from geo_service.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

ALL_PAIRS: Final = 5_000_000
"""Up to so many comparisons every name is compared with every other."""

WINDOW: Final = 10
"""With how many neighbours in alphabetical order a name is compared where they are more."""

NUMBER: Final = re.compile(r"[0-9]+")

_NOISE: Final = frozenset(
    {"e", "v", "ev", "eg", "ggmbh", "gmbh", "der", "die", "das", "des", "dem", "den", "im", "in",
     "am", "an", "und", "fuer", "von", "vom", "zu", "zum", "zur"}
)  # fmt: skip
"""Words that say nothing about which place is meant."""

_ABBREVIATIONS: Final = {
    "mgh": "mehrgenerationenhaus",
    "jmd": "jugendmigrationsdienst",
    "hdf": "haus familie",
    "mbe": "migrationsberatung",
    "ak": "arbeitskreis",
}


def fold_all(values: Iterable[object]) -> list[str]:
    """Fold each text once; what is missing becomes empty."""
    known: dict[str, str] = {}
    folded = []
    for value in values:
        text = value if isinstance(value, str) else ""
        result = known.get(text)
        if result is None:
            result = known[text] = fold(text)
        folded.append(result)
    return folded


def core_of(name: str, town: str) -> str:
    """Return the sorted words of a folded name that the town and the language do not give.

    >>> core_of("cafe welcome der stadt mainz e v", "mainz")
    'cafe stadt welcome'
    """
    words = [_ABBREVIATIONS.get(word, word) for word in name.split()]
    noise = _NOISE.union(town.split())
    return " ".join(sorted(word for word in words if word not in noise)) or name


def windows(row: list[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield each item of `row` with each of the next `WINDOW` ones, as two parallel lists."""
    for step in range(1, min(WINDOW, len(row) - 1) + 1):
        yield row[:-step], row[step:]


def pairwise(
    ones: list[int], others: list[int], texts: Sequence[str], least: float
) -> NDArray[np.float32]:
    """Return how alike the texts of two parallel lists are, in per cent; 0 below `least`."""
    scores: NDArray[np.float32] = process.cpdist(
        [texts[number] for number in ones],
        [texts[number] for number in others],
        scorer=fuzz.ratio,
        score_cutoff=least,
        dtype=np.float32,
    )
    return scores
