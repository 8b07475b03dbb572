"""An accent colour of a partner's own: legible on our grounds, or refused with its contrast.

Contrast is that of WCAG 2.1 (relative luminance, sRGB).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DEFAULT", "LEAST", "accent_css", "contrast", "is_colour", "least_contrast"]

DEFAULT: Final = "00606b"
LEAST: Final = 4.5
"""Least contrast of text (WCAG 2.1, 1.4.3 at AA)."""

_PAPER: Final = ("ffffff", "f6f4ef")
_NIGHT: Final = ("10191f", "18242c")
"""The grounds of site.css, light and dark; a test compares."""
_HEX: Final = re.compile(r"[0-9a-f]{6}")
_STEPS: Final = 20


def is_colour(text: str) -> bool:
    """Tell whether `text` is a colour as six hexadecimal digits, small letters.

    >>> is_colour("00606b"), is_colour("#00606b")
    (True, False)
    """
    return _HEX.fullmatch(text) is not None


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21.

    >>> round(contrast("000000", "ffffff"), 1)
    21.0
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def least_contrast(colour: str) -> float:
    """Return the contrast of a colour with that light ground of ours that it has least with.

    White text on the colour has no less.

    >>> least_contrast("00606b") > 6 > least_contrast("ffcc00")
    True
    """
    return min(contrast(colour, ground) for ground in _PAPER)


def accent_css(colour: str) -> str:
    """Return a style sheet with `colour` as the accent, made lighter for dark pages."""
    dark = _lightened(colour)
    return (
        f":root{{--accent:#{colour};--on-accent:#ffffff}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:#{dark};--on-accent:#10191f}}}}\n"
    )


def _lightened(colour: str) -> str:
    """Mix a colour with white until it is legible on both dark grounds."""
    parts = _parts(colour)
    for step in range(_STEPS + 1):
        mixed = [part + (255 - part) * step / _STEPS for part in parts]
        found = "".join(f"{round(part):02x}" for part in mixed)
        if min(contrast(found, ground) for ground in _NIGHT) >= LEAST:
            return found
    return "ffffff"


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (0, 2, 4)]


def _luminance(colour: str) -> float:
    shares = [part / 255 for part in _parts(colour)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
