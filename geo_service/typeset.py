"""The typesetting process: a template and its data come in, a PDF goes out.

It runs beside the service, within limits on processor time and memory, because the library
works in machine code that nothing can interrupt. The data are JSON, which the template reads
as values: no text in them is ever part of the template.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import typst

__all__ = ["main", "typeset"]


def typeset(template: str, data: str, fonts: str) -> bytes:
    """Set `template` with `data` and return the PDF (tagged, PDF/UA-1); same input, same bytes.

    Parameters
    ----------
    template
        Typst source. It can read no file and fetch nothing.
    data
        JSON, which the template finds as ``sys.inputs.data``.
    fonts
        Folder of the only fonts used.
    """
    shelf = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]
    )
    return typst.compile(
        template.encode(),
        font_paths=shelf,
        ignore_system_fonts=True,
        sys_inputs={"data": data},
        pdf_standards="ua-1",
        timestamp=0,
        # Where packages would lie: nowhere, so that an import finds none.
        root=fonts,
        package_path=fonts,
        package_cache_path=fonts,
    )


def main(memory_bytes: int, seconds: int) -> None:
    """Read ``{"template", "data", "fonts"}`` from standard input, write the PDF to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order: dict[str, Any] = json.load(sys.stdin.buffer)
    sys.stdout.buffer.write(typeset(order["template"], order["data"], order["fonts"]))
    sys.stdout.buffer.flush()
