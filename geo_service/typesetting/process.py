"""The typesetting process: a template and its data come in, a PDF goes out.

It runs beside the service, within limits on processor time and memory, because the library
works in machine code that nothing can interrupt. The data are JSON, which the template reads
as values: no text in them is ever part of the template. It imports nothing of this package,
so that it starts in a moment.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any, Final

import typst

__all__ = ["FAMILIES", "main", "typeset"]

FAMILIES: Final = frozenset({"Noto Sans", "Noto Sans Arabic"})
"""What the template writes in: Latin, Cyrillic, Greek and Devanagari; the Arabic script with
the letters of Persian, Pashto, Kurdish and Urdu."""


def typeset(template: str, data: str, fonts: Path) -> bytes:
    """Set `template` with `data` and return the PDF; same input, same bytes.

    It is tagged, and PDF/UA-1 as long as the fonts have every letter. Where they have not,
    the template finds ``sys.inputs.boxes`` and can say that boxes stand for letters.

    Parameters
    ----------
    template
        Typst source. It finds no file but fonts, and no package.
    data
        JSON, which the template finds as ``sys.inputs.data``.
    fonts
        Folder of the only fonts used.

    Raises
    ------
    FileNotFoundError
        If a font is missing: the page would come out empty.
    """
    shelf = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]
    )
    if missing := FAMILIES - set(shelf.families()):
        raise FileNotFoundError(f"{fonts}: expected fonts of {sorted(missing)}, got none")
    source = template.encode()

    def compiler(inputs: dict[str, str]) -> typst.Compiler:
        return typst.Compiler(
            source,
            root=fonts,
            font_paths=shelf,
            ignore_system_fonts=True,
            sys_inputs=inputs,
            package_path=fonts,
            package_cache_path=fonts,
        )

    try:
        pdf = compiler({"data": data}).compile(
            source, format="pdf", pdf_standards="ua-1", timestamp=0
        )
    except typst.TypstError:
        # PDF/UA forbids letters that no font has; without it they are printed as empty boxes.
        boxes = compiler({"data": data, "boxes": "true"})
        pdf = boxes.compile(source, format="pdf", timestamp=0)
    if not isinstance(pdf, bytes):
        raise TypeError(f"expected one PDF, got {type(pdf).__name__}")
    return pdf


def main(memory_bytes: int, seconds: int) -> None:
    """Read ``{"template", "data", "fonts"}`` from standard input, write the PDF to its output."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order: dict[str, Any] = json.load(sys.stdin.buffer)
    pdf = typeset(order["template"], order["data"], Path(order["fonts"]))
    sys.stdout.buffer.write(pdf)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
