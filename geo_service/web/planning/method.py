"""What the page of the method says about each figure: formula, unit, source, assumptions."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["CONTENTS", "INDICATOR_TEXTS", "IndicatorText"]


class IndicatorText(NamedTuple):
    """A figure; `id` is its anchor, the name of its column in addresses."""

    id: str
    title: str
    unit: str
    formula: str
    source: str
    assumes: str
    silent: str


_DIRECTORY: Final = "dieses Verzeichnis"
_REGISTER: Final = "Gemeindeverzeichnis (Statistisches Bundesamt)"
_PEOPLE: Final = "Punkte der Menschen (siehe oben) und dieses Verzeichnis"

INDICATOR_TEXTS: Final = (
    IndicatorText(
        "einwohner",
        "Einwohner",
        "Menschen",
        "Summe der Einwohnerzahlen der Gemeinden des Gebiets",
        _REGISTER,
        "der Stand des Registers",
        "wo die Menschen im Gebiet wohnen",
    ),
    IndicatorText(
        "anzahl",
        "Orte",
        "Orte",
        "Zahl der Einträge mit einem Punkt im Gebiet, die die Auswahl erfüllen",
        _DIRECTORY,
        "der Punkt liegt in der richtigen Gemeinde",
        "wie groß ein Ort ist, wann er offen ist, und ob er allen offensteht",
    ),
    IndicatorText(
        "je10000",
        "Orte je 10.000",
        "Orte je 10.000 Einwohnerinnen und Einwohner; bei anderem Bedarf je 10.000 Menschen",
        "10.000 · Orte ÷ Einwohner; bei anderem Bedarf ÷ gezählte Menschen, beides ohne die"
        " Gemeinden, deren Zahl unbekannt ist",
        f"{_DIRECTORY} und {_REGISTER}",
        "Menschen nutzen die Orte ihres Gebiets",
        "ob jemand hinkommt, und was nebenan liegt",
    ),
    IndicatorText(
        "anteil",
        "Erreicht",
        "% der gezählten Menschen",
        "Menschen, deren nächster Ort höchstens den Umkreis entfernt ist,"
        " ÷ alle gezählten Menschen des Gebiets",
        _PEOPLE,
        "der nächste Ort zählt, auch wenn er im Nachbargebiet liegt; Luftlinie",
        "ob dort Platz ist. Ohne Raster sind es auf der Ebene der Gemeinden nur 0 % oder 100 %",
    ),
    IndicatorText(
        "ausserhalb",
        "Menschen außerhalb",
        "Menschen",
        "gezählte Menschen − Menschen mit einem Ort im Umkreis",
        _PEOPLE,
        "wie bei „Erreicht“",
        "wie weit außerhalb sie wohnen",
    ),
    IndicatorText(
        "entfernung",
        "Entfernung",
        "km Luftlinie",
        "Σ Menschen · Entfernung zum nächsten Ort ÷ Σ Menschen",
        _PEOPLE,
        "jeder geht zum nächsten Ort",
        "den Weg auf der Straße; ein Mittel verbirgt, wer am weitesten wohnt",
    ),
    IndicatorText(
        "e2sfca",
        "E2SFCA",
        "erreichbare Orte je 10.000 Menschen",
        "Schritt 1: Jeder Ort teilt sich unter den Menschen um ihn auf,"
        " R = 1 ÷ Σ Menschen · w(Entfernung)."
        " Schritt 2: Jeder Wohnpunkt sammelt ein, A = Σ R · w(Entfernung)."
        " Gewichte w: 1 bis zu einem Drittel des Umkreises, 0,68 bis zu zwei Dritteln,"
        " 0,22 bis zum ganzen, sonst 0. Ergebnis: 10.000 · Mittel von A über die Menschen",
        "Luo, W., & Qi, Y. (2009), Health & Place 15(4), 1100–1107,"
        " doi:10.1016/j.healthplace.2009.06.002; Gewichte: die ersten des Aufsatzes,"
        " Zonen hier Drittel des Umkreises statt Fahrminuten",
        "alle Orte sind gleich groß; Menschen jenseits der Landesgrenze nutzen keinen,"
        " deshalb sind Werte nahe der Grenze zu hoch",
        "wie viele Plätze ein Ort hat",
    ),
)
"""The figures in the order of the table."""

CONTENTS: Final = (
    ("grundlagen", "Was hineingeht"),
    *((one.id, one.title) for one in INDICATOR_TEXTS),
    ("urteil", "Lücke oder nicht"),
    ("unsicherheit", "Wie sicher ist das?"),
    ("klassen", "Klassen der Karte"),
)
"""Anchors and their names."""
