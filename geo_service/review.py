"""What a person should look at: points that are missing, doubtful or rougher than stated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import pandas as pd

from geo_service.schema import FINE_PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.schema import Initiatives

__all__ = ["REASONS", "Finding", "Reason", "find_findings"]

Reason: TypeAlias = Literal["failed", "not_found", "ambiguous", "mismatch", "outside", "rough"]

REASONS: Final[Mapping[Reason, str]] = {
    "failed": "no answer from the geocoder",
    "not_found": "place not found",
    "ambiguous": "several places of that name",
    "mismatch": "point lies outside the stated municipality",
    "outside": "point lies in no municipality of the Land",
    "rough": "a street is stated, the point is only rough",
}
"""Every reason, the most pressing first; a record is listed once, under its first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One record and why a person should look at it."""

    reason: Reason
    id: str
    name: str
    stated: str
    detail: str
    source_line: int

    def row(self) -> tuple[str, str, str, str, str]:
        """Return the finding as it is printed: reason in words, id, name, place, detail."""
        return REASONS[self.reason], self.id, self.name, self.stated, self.detail

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as a row of a file."""
        return {**asdict(self), "reason": REASONS[self.reason]}


def find_findings(initiatives: Initiatives) -> tuple[Finding, ...]:
    """List each record that needs a look, the most pressing reason first, then by name.

    A record whose address a geocoder could not answer for now, that has no point, whose
    point contradicts the stated municipality, or that states a street while its point is
    only as exact as a municipality, Ortsteil or postal code.
    """
    order = {reason: rank for rank, reason in enumerate(REASONS)}
    reasons = _first_reason(initiatives)
    every = initiatives.assign(reason=reasons, rank=reasons.map(order))
    needed = every[reasons.notna()].sort_values(["rank", "name", "id"], kind="stable")
    return tuple(
        Finding(
            reason=row["reason"],
            id=row["id"],
            name=row["name"],
            stated=_stated(row),
            detail=row["coordinate_note"] if isinstance(row["coordinate_note"], str) else "",
            source_line=int(row["source_line"]),
        )
        for row in needed.to_dict("records")
    )


def _first_reason(initiatives: Initiatives) -> pd.Series:
    status = initiatives["coordinate_status"]
    placed = initiatives.geometry.notna()
    rough = ~initiatives["coordinate_precision"].isin(FINE_PRECISIONS)
    reasons = pd.Series(pd.NA, index=initiatives.index, dtype="object")
    tests: dict[Reason, pd.Series] = {
        "rough": placed & rough & initiatives["street"].notna(),
        "outside": placed & initiatives["ags"].isna(),
        "mismatch": initiatives["municipality_check"] == "mismatch",
        "ambiguous": status == "ambiguous",
        "not_found": status == "not_found",
        "failed": status.str.startswith("failed"),
    }
    for reason, applies in tests.items():  # the last that applies is the most pressing
        reasons = reasons.mask(applies, reason)
    return reasons


def _stated(row: Mapping[Any, Any]) -> str:
    parts = [row["street"], row["house_number"], row["postcode"], row["city"]]
    if row["municipality"] != row["city"]:
        parts.append(row["municipality"])
    return " ".join(str(part) for part in parts if isinstance(part, str))
