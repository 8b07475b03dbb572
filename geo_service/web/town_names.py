"""What else people call the large towns: their parts, postal codes and short names.

People of Mombach write "Mombach", not "Mainz". GeoNames, where the gazetteer has its Ortsteile
from, lists hardly any, and the register has one postal code of each municipality; what is named
here is at least known to belong to its town. Put together by hand from what is commonly known:
no official list, not complete, and never used to place a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DISTRICTS", "POSTCODES", "SHORT_NAMES"]

POSTCODES: Final[Mapping[str, tuple[int, int]]] = {
    "Bad Kreuznach": (55543, 55545),
    "Kaiserslautern": (67655, 67663),
    "Koblenz": (56068, 56077),
    "Ludwigshafen": (67059, 67071),
    "Mainz": (55116, 55131),
    "Neustadt an der Weinstraße": (67433, 67435),
    "Neuwied": (56564, 56567),
    "Pirmasens": (66953, 66955),
    "Trier": (54290, 54296),
    "Worms": (67547, 67551),
}
"""Town -> first and last of its postal codes; none between them is another's."""

DISTRICTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Kaiserslautern": (
        *("Betzenberg", "Dansenberg", "Einsiedlerhof", "Erfenbach", "Erlenbach", "Erzhütten"),
        *("Grübentälchen", "Hohenecken", "Mölschbach", "Morlautern", "Siegelbach"),
        "Wiesenthalerhof",
    ),
    "Koblenz": (
        *("Altstadt", "Arenberg", "Arzheim", "Asterstein", "Bubenheim", "Ehrenbreitstein"),
        *("Goldgrube", "Güls", "Horchheim", "Immendorf", "Karthause", "Kesselheim", "Lay"),
        *("Lützel", "Metternich", "Moselweiß", "Neuendorf", "Niederberg", "Oberwerth"),
        *("Pfaffendorf", "Rauental", "Rübenach", "Stolzenfels", "Wallersheim"),
    ),
    "Ludwigshafen": (
        *("Edigheim", "Friesenheim", "Gartenstadt", "Maudach", "Mundenheim", "Oggersheim"),
        *("Oppau", "Pfingstweide", "Rheingönheim", "Ruchheim"),
    ),
    "Mainz": (
        *("Altstadt", "Bretzenheim", "Drais", "Ebersheim", "Finthen", "Gonsenheim"),
        *("Hartenberg-Münchfeld", "Hechtsheim", "Laubenheim", "Lerchenberg", "Marienborn"),
        *("Mombach", "Neustadt", "Oberstadt", "Weisenau"),
    ),
    "Trier": (
        *("Biewer", "Ehrang", "Eitelsbach", "Euren", "Feyen", "Filsch", "Heiligkreuz", "Irsch"),
        *("Kernscheid", "Kürenz", "Mariahof", "Olewig", "Pallien", "Pfalzel", "Quint", "Ruwer"),
        *("Tarforst", "Weismark", "Zewen"),
    ),
    "Worms": (
        *("Abenheim", "Heppenheim", "Herrnsheim", "Hochheim", "Horchheim", "Ibersheim"),
        *("Leiselheim", "Neuhausen", "Pfeddersheim", "Pfiffligheim", "Rheindürkheim"),
        *("Weinsheim", "Wiesoppenheim"),
    ),
}
"""Town -> its parts: Ortsbezirke, Stadtteile and quarters that are known by a name."""

SHORT_NAMES: Final[Mapping[str, str]] = {
    **{"kl": "Kaiserslautern", "ko": "Koblenz", "ld": "Landau in der Pfalz", "mz": "Mainz"},
    **{"lu": "Ludwigshafen am Rhein", "nw": "Neustadt an der Weinstraße"},
    **{"ft": "Frankenthal (Pfalz)", "ps": "Pirmasens", "sp": "Speyer", "tr": "Trier"},
    **{"zw": "Zweibrücken", "lautern": "Kaiserslautern", "k lautern": "Kaiserslautern"},
}
"""Folded short name -> the kreisfreie Stadt that it means: number plates, mostly."""
