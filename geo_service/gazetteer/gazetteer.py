"""The gazetteer itself: an address -> a place of the Land, or why there is none."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from geo_service.gazetteer.evidence import (
    Evidence,
    Query,
    is_doubtful,
    narrow,
    read_evidence,
    read_query,
    seats_with_postcode,
)
from geo_service.gazetteer.files import REGISTER, Origin
from geo_service.gazetteer.index import Index
from geo_service.gazetteer.match import (
    CONTRADICTED,
    ELSEWHERE,
    MISSPELT,
    POSTCODE_ONLY,
    POSTCODE_UNKNOWN_NAME,
    UNKNOWN_PART,
    Match,
    list_labels,
    whole,
)
from geo_service.gazetteer.reader import Reader
from geo_service.gazetteer.spelling import POSTCODE, is_vg, untitled_key
from geo_service.gazetteer.suggest import suggest_matches
from geo_service.schema import Address, Ambiguous, Found, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from geo_service.schema import Candidate, GeocodeResult, Municipalities

_Answer = tuple["GeocodeResult", frozenset[str]]
_NO_AGS: Final[frozenset[str]] = frozenset()


class Gazetteer:
    """Names of the Land and their points, indexed by `place_key`.

    Parameters
    ----------
    municipalities
        Names, Kreise, Verbandsgemeinden, postal codes of the seat and centre points.
    places
        Ortsteile and other spellings, as `load_places` gives them; may be empty.
    origin
        Source, licence and date of the municipalities.
    """

    def __init__(
        self,
        municipalities: Municipalities,
        places: pd.DataFrame | None = None,
        *,
        origin: Origin = REGISTER,
    ) -> None:
        self._origin = origin
        self._index = Index(municipalities, places, origin)
        self._reader = Reader(self._index)
        self._answer = lru_cache(maxsize=65_536)(self._survey)

    def find(self, address: Address) -> GeocodeResult:
        """Find the point of the Ort or municipality that `address` states.

        Street and house number are not read: no point is finer than ``locality``.
        """
        return self._answer(read_query(address))[0]

    def find_by_sound(self, text: str) -> GeocodeResult:
        """Find a place whose name sounds like `text`, written in any script, by any scheme.

        For visitors, who see what was understood; records are not read so.
        """
        matches = self._reader.heard(text)
        evidence = read_evidence(read_query(Address()), self._index)
        if not matches:
            return NotFound(self._origin.source, f"kein Ort klingt wie „{text}“")
        return self._decide(matches, evidence)[0]

    def kreis_keys(self, text: str) -> frozenset[str]:
        """Return the keys of the Kreise that `text` may mean: "Kreis Altenkirchen"."""
        return self._index.kreis_keys(text)

    def municipality_candidates(self, address: Address) -> frozenset[str]:
        """Return the AGS that the stated municipality, or else Ort, may mean.

        Empty where neither is stated or known; several where namesakes are not told apart.
        """
        return self._answer(read_query(address))[1]

    def suggest(self, text: str, *, limit: int = 8) -> list[Candidate]:
        """Suggest places whose name begins with `text`, then places spelt like it.

        In every script the register has; municipalities first, then by population.
        """
        return [match.candidate for match in suggest_matches(self._reader, text, limit)]

    # --------------------------------------------------- the names an address states

    def _survey(self, query: Query) -> _Answer:
        evidence = read_evidence(query, self._index)
        municipality, city, note = query.municipality, query.city, ""
        stated = self._municipalities(municipality) if municipality else ()
        if municipality and city and (not stated or is_vg(municipality)):
            evidence, note = self._as_area(municipality, evidence)
            stated, municipality = (), ""
        if stated:
            refined = self._refine(stated, municipality, city) if city else stated
            return self._decide(refined, evidence)
        if text := municipality or city:
            matches = self._reader.read(text)
            if note:
                matches = tuple(match.noted(note, CONTRADICTED) for match in matches)
            return self._decide(matches, evidence) if matches else self._unknown(text, evidence)
        return self._unnamed(evidence)

    def _municipalities(self, text: str) -> tuple[Match, ...]:
        """Return what a text in the column `municipality` may mean: Ortsteile only if no other."""
        matches = self._reader.read(text)
        return whole(matches) or matches

    def _as_area(self, text: str, evidence: Evidence) -> tuple[Evidence, str]:
        """Read a Verbandsgemeinde or Kreis that stands in the column `municipality`."""
        if vgs := self._index.vg_keys(text):
            return replace(evidence, vgs=evidence.vgs or vgs), ""
        if kreise := self._index.kreis_keys(text):
            return replace(evidence, kreise=evidence.kreise or kreise), ""
        return evidence, f"Gemeinde „{text}“ nicht verzeichnet"

    def _refine(self, stated: tuple[Match, ...], municipality: str, city: str) -> tuple[Match, ...]:
        """Go from the municipality to the stated Ort inside it, where that is known."""
        key = untitled_key(city)
        if key == untitled_key(municipality) or not untitled_key(POSTCODE.sub(" ", city)):
            return stated
        ags = {match.ags for match in stated}
        matches = self._reader.read(city)
        inside = tuple(match for match in matches if match.ags in ags)
        if inside:
            doubt = min(match.score for match in stated)
            known = all(match.known for match in stated)
            return tuple(replace(m, score=min(m.score, doubt), known=known) for m in inside)
        if inside := self._reader.misspelt_within(key, ags):
            return inside
        elsewhere = [match for match in matches if not match.edits]
        remark = f"Ort „{city}“ in dieser Gemeinde nicht verzeichnet"
        if elsewhere:
            remark += f", wohl aber: {list_labels(elsewhere)}"
        score = ELSEWHERE if elsewhere else MISSPELT
        return tuple(match.noted(remark, score) for match in stated)

    # ------------------------------------------------------------------- the decision

    def _decide(self, matches: Sequence[Match], evidence: Evidence) -> _Answer:
        kept, contradiction = narrow(matches, evidence)
        ags = frozenset(match.ags for match in kept)
        if contradiction:
            if all(match.edits for match in kept):
                reason = f"nur ähnliche Namen: {list_labels(kept)}; {contradiction}"
                return self._not_found(reason)
            return self._ambiguous(kept, contradiction), ags
        if is_doubtful(kept, evidence):
            reason = "nur ähnlich geschrieben; Kreis, Verbandsgemeinde oder PLZ fehlt"
            return self._ambiguous(kept, reason), ags
        if len(ags) > 1:
            reason = "mehrere Orte dieses Namens; Kreis, Verbandsgemeinde oder PLZ fehlt"
            return self._ambiguous(kept, reason), ags
        return self._found(self._best(kept)), ags

    def _best(self, matches: Sequence[Match]) -> Match:
        """Choose among places of one municipality: itself, or its only Ortsteil of the name."""
        municipality = whole(matches)
        if municipality or len(matches) == 1:
            return max(municipality or matches, key=lambda match: match.score)
        seat = self._index.seats[matches[0].ags]
        return Match(seat, UNKNOWN_PART, remark="mehrere Ortsteile dieses Namens")

    def _unknown(self, text: str, evidence: Evidence) -> _Answer:
        """Answer for a name that no place has: by its postal code where that is certain."""
        here = seats_with_postcode(self._index, evidence)
        reason = f"kein Ort „{text}“ im Verzeichnis"
        if self._index.is_area(text) or is_vg(text):
            reason = f"„{text}“ ist ein Kreis oder eine Verbandsgemeinde, keine Gemeinde"
        if len(here) == 1:
            remark = f"nach der PLZ {evidence.postcode}; {reason}"
            match = Match(here[0], POSTCODE_UNKNOWN_NAME, remark=remark)
            return replace(self._found(match), precision="postcode"), _NO_AGS
        return self._not_found(reason)

    def _unnamed(self, evidence: Evidence) -> _Answer:
        """Answer where no name is stated: a kreisfreie Stadt, a postal code, or nothing."""
        here = seats_with_postcode(self._index, evidence)
        if len(here) > 1:
            matches = [Match(seat, POSTCODE_ONLY) for seat in here]
            reason = f"{len(here)} Gemeinden haben die PLZ {evidence.postcode}"
            return self._ambiguous(matches, reason), _NO_AGS
        if here:
            match = Match(here[0], POSTCODE_ONLY, remark=f"nach der PLZ {evidence.postcode}")
            return replace(self._found(match), precision="postcode"), _NO_AGS
        if len(evidence.kreise) == 1 and evidence.kreise <= self._index.free_kreise:
            seats = self._index.seats.values()
            seat = next(seat for seat in seats if seat.unit.kreis_key in evidence.kreise)
            return self._found(Match(seat, 1.0)), frozenset({seat.unit.ags})
        what = f"PLZ {evidence.postcode} ist kein Sitz einer Gemeinde" if evidence.postcode else ""
        return self._not_found(what or "weder Ort noch Gemeinde angegeben")

    # ------------------------------------------------------------------------ results

    def _not_found(self, reason: str) -> _Answer:
        return NotFound(self._origin.source, reason), _NO_AGS

    def _ambiguous(self, matches: Sequence[Match], reason: str) -> Ambiguous:
        ordered = sorted(matches, key=lambda m: (m.edits, -m.score, m.ags, m.place.name))
        candidates = tuple(match.candidate for match in ordered)
        return Ambiguous(self._origin.source, candidates, reason)

    def _found(self, match: Match) -> Found:
        place = match.place
        return Found(
            place.lon,
            place.lat,
            place.precision,
            round(match.score, 3),
            place.source,
            place.licence,
            self._origin.date,
            f"{place.label}; {match.remark}" if match.remark else place.label,
            ags=match.ags,
        )
