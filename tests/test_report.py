"""The report: everything it is given, in order, tagged, and no text in it is more than text."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import Any

import pytest
from pypdf import PdfReader
from web_helpers import VECTORS

from geo_service.report import Cell, Heading, Report, Section, render_report

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">'
    b'<rect width="100" height="50" fill="#186872"/></svg>'
)


def report(**given: Any) -> Report:
    values: dict[str, Any] = {
        "service": "Begegnungsorte",
        "title": "Wo fehlen Orte? Musterland",
        "subtitle": "Anteil der Menschen, Kreise",
        "state": "Berechnet am 23.11.2026, Datenstand Nr. 7",
        "summary": ["In 2 von 3 Kreisen fehlt etwas.", "Es leben dort 9.000 Menschen."],
        "map_svg": SVG,
        "map_text": "Karte: Anteil der Menschen",
        "table_title": "Alle Kreise",
        "headings": [Heading("Gebiet", number=False, width=3), Heading("Erreicht")],
        "rows": [
            [Cell("Auenland"), Cell("62 %", "48–71 %")],
            [Cell("Ödland", "Landkreis"), Cell("keine Angabe")],
        ],
        "sections": [
            Section("Wie sicher das ist", ["Nur grob verortet: 3."], [("Veraltet", "1 von 3")]),
            Section("Methode", pairs=[("Erreicht", "Summe der P_i mit d_i bis r")]),
        ],
        "sources": ["© Kartenamt", "© Statistikamt"],
        "address": "https://example.org/planung?ebene=kreis",
    }
    return Report(**(values | given))


def read(content: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(content))


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in read(content).pages)


def test_report_says_everything_it_is_given() -> None:
    text = text_of(render_report(report()))
    for said in (
        "Begegnungsorte",
        "Wo fehlen Orte? Musterland",
        "Berechnet am 23.11.2026, Datenstand Nr. 7",
        "In 2 von 3 Kreisen fehlt etwas.",
        "Auenland",
        "62 %",
        "48–71 %",
        "keine Angabe",
        "Wie sicher das ist",
        "1 von 3",
        "© Statistikamt",
        "https://example.org/planung?ebene=kreis",
    ):
        assert said in text, said
    order = ["Zusammenfassung", "Karte", "Alle Kreise", "Wie sicher", "Methode", "Quellen"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_report_is_tagged_titled_german_and_pdf_ua() -> None:
    content = render_report(report())
    root = read(content).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert root["/Lang"] == "de"  # type: ignore[index]
    assert read(content).metadata.title == "Wo fehlen Orte? Musterland"  # type: ignore[union-attr]
    assert b"pdfuaid" in content
    assert b"Karte: Anteil der Menschen" in content


def test_every_page_has_its_number_and_every_table_page_its_heading() -> None:
    rows = [[Cell(f"Gebiet {number}"), Cell(f"{number} %")] for number in range(120)]
    pages = [page.extract_text() for page in read(render_report(report(rows=rows))).pages]
    for number, page in enumerate(pages, start=1):
        assert f"Seite {number} von {len(pages)}" in page
    tables = [page for page in pages if re.search(r"Gebiet \d", page)]
    assert len(tables) >= 3
    assert all("Erreicht" in page for page in tables)
    found = re.findall(r"Gebiet (\d+)", "\n".join(tables))
    assert [*map(int, found)] == [*range(120)]


def test_report_without_map_rows_and_address_is_whole() -> None:
    bare = report(map_svg=b"", rows=[], headings=[], sections=[], sources=[], address="")
    text = text_of(render_report(bare))
    assert "Zusammenfassung" in text
    assert "Karte" not in text


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_report(report()) == render_report(report())


@pytest.mark.parametrize(
    "text",
    [
        " ".join(VECTORS[:12]),
        " ".join(VECTORS[12:]),
        '#eval("1+1") $x$ #import "@preview/x:1.0.0" [*] _a_ `x` \\u{1F600}',
        "x" * 20_000,
        "漢字 👩‍👩‍👧 \x00\x07 \u202eabc",
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_any_text_is_set_as_the_text_it_is(text: str) -> None:
    hostile = report(
        service=text,
        title=text,
        subtitle=text,
        state=text,
        summary=[text],
        map_text=text,
        table_title=text,
        headings=[Heading(text, number=False), Heading(text)],
        rows=[[Cell(text, text), Cell(text)]],
        sections=[Section(text, [text], [(text, text)])],
        sources=[text],
        address=text,
    )
    content = render_report(hostile)
    root = read(content).trailer["/Root"]
    assert "/OpenAction" not in root  # type: ignore[operator]
    assert b"/JavaScript" not in content
    assert b"/URI" not in content


def test_markup_of_typst_is_printed() -> None:
    said = "#strong[x] *fett* $x^2$ <script>"
    text = text_of(render_report(dataclasses.replace(report(), summary=[said])))
    assert said in text


def links_of(content: bytes) -> list[set[str]]:
    """Return where the links of each page lead."""
    return [
        {str(one.get_object()["/A"]["/URI"]) for one in page.get("/Annots", [])}
        for page in read(content).pages
    ]


def scenario(changes: int) -> tuple[str, str]:
    """Return the address of a scenario, and what it changes."""
    address = "https://example.org/planung?" + "&".join(
        f"neu=7.{at:05d}%2C50.05000%2CTreff_neu_{at}" for at in range(changes)
    )
    return address, "; ".join(f"neu: Treff {at} in Musterstadt" for at in range(changes))


@pytest.mark.parametrize("changes", [1, 20, 150])
def test_scenario_is_printed_and_linked_whole(changes: int) -> None:
    address, told = scenario(changes)
    assert len(address) < 8_000
    pairs = [("Änderungen", told), ("Dieselbe Auswertung im Internet", address)]
    content = render_report(report(address=address, sections=[Section("Angaben", pairs=pairs)]))
    assert set().union(*links_of(content)) == {address}
    assert b"pdfuaid" in content
    printed = "".join(text_of(content).replace("\u200b", "").split())
    assert f"Treff{changes - 1}inMusterstadt" in printed
    assert address.partition("?")[2] in printed or changes == 150  # which turns the page
    assert f"Treff_neu_{changes - 1}" in printed
    assert "…" not in printed


@pytest.mark.parametrize(
    "address", ["/planung", "javascript:alert(1)", scenario(400)[0], "https://x/\u200b"]
)
def test_what_is_no_whole_address_is_text_alone(address: str) -> None:
    sections = [Section("Angaben", pairs=[("Dieselbe Auswertung im Internet", address)])]
    content = render_report(report(address=address, sections=sections))
    assert not any(links_of(content))
