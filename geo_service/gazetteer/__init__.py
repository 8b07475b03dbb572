"""Find places of the Land offline: municipalities, Ortsteile and postal codes.

The rules are in docs/geocoding.md. The gazetteer never guesses between namesakes: what is
stated besides a name (Kreis, Verbandsgemeinde, postal code) tells them apart, or the answer
is `Ambiguous` with every candidate.

::

    gazetteer    Gazetteer: an address -> its place          <- begin here
    reader       a text -> the places it may mean
    evidence     what is stated besides a name -> which of them
    suggest      what a name that is being typed may become
    index        all names, each under its key
    match        a place, and how well a text fits it; the scores
    sounds       which names sound alike, in any script
    spelling     when two spellings are one name; typing errors
    files        reads what `data/gemeinden/` adds to the municipalities
"""

from __future__ import annotations

from geo_service.gazetteer.files import PLACE_COLUMNS, REGISTER, Origin, load_origin, load_places
from geo_service.gazetteer.gazetteer import Gazetteer
from geo_service.gazetteer.spelling import place_key

__all__ = [
    "PLACE_COLUMNS",
    "REGISTER",
    "Gazetteer",
    "Origin",
    "load_origin",
    "load_places",
    "place_key",
]
