"""A handout for paper: numbered places, the same numbers on a small map, a QR code; as PDF.

Everything comes in as plain values and all words come in translated (`Handout`), so the same
page can be had in every language. `fit` makes any text fit for paper; `draw_map`, `draw_mark`
and `draw_qr` give SVG for paper and screen; `render_pdf` gives the PDF.
"""

from geo_service.handout.drawing import draw_map, draw_mark, draw_qr
from geo_service.handout.paper import (
    MAX_PLACES,
    Ground,
    Handout,
    HandoutPlace,
    Outline,
    Town,
    Words,
)
from geo_service.handout.pdf import legend, render_pdf
from geo_service.handout.texts import fit, short_address

__all__ = [
    "MAX_PLACES",
    "Ground",
    "Handout",
    "HandoutPlace",
    "Outline",
    "Town",
    "Words",
    "draw_map",
    "draw_mark",
    "draw_qr",
    "fit",
    "legend",
    "render_pdf",
    "short_address",
]
