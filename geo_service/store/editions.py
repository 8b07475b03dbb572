"""An edition of a list beside what is stored of it: new, changed, equal, missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from geo_service.errors import StoreError
from geo_service.store.frames import read_frame, to_json
from geo_service.store.results import ImportOutcome
from geo_service.store.tables import CONTENT, INITIATIVES, NOT_COMPARED, SELECT_CONTENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows to create and to update, and the stored rows that the updates replace."""

    created: pd.DataFrame
    updated: pd.DataFrame
    replaced: pd.DataFrame
    unchanged: int
    missing: tuple[str, ...]

    @property
    def changes(self) -> int:
        """How many rows are written; without any there is no revision."""
        return len(self.created) + len(self.updated)

    @property
    def changed(self) -> pd.DataFrame:
        """The rows to write."""
        return pd.concat([self.created, self.updated])

    def outcome(self, revision: int) -> ImportOutcome:
        """Say what the plan does, or did, at `revision`."""
        return ImportOutcome(
            revision, len(self.created), len(self.updated), self.unchanged, self.missing
        )

    def history(self, revision: int) -> Iterator[tuple[Any, ...]]:
        """Return the rows of the history: id, revision, operation, what was there before."""
        yield from ((key, revision, "create", None) for key in self.created["id"].tolist())
        replaced = zip(self.replaced["id"].tolist(), to_json(self.replaced), strict=True)
        yield from ((key, revision, "update", before) for key, before in replaced)


def compare(connection: sa.Connection, content: pd.DataFrame, dataset: str, label: str) -> Plan:
    """Tell new, changed, equal and missing rows apart.

    Raises
    ------
    StoreError
        If an id belongs to another list.
    """
    _check_owner(connection, content, dataset, label)
    mine = SELECT_CONTENT.where(INITIATIVES.c.dataset == dataset).order_by(INITIATIVES.c.id)
    stored = read_frame(connection, mine, CONTENT)
    position = pd.Index(stored["id"]).get_indexer(pd.Index(content["id"]))
    known = position >= 0
    current, before = content[known], stored.iloc[position[known]]
    differs = _differs(current, before)
    return Plan(
        created=content[~known],
        updated=current[differs],
        replaced=before[differs],
        unchanged=int((~differs).sum()),
        missing=tuple(stored.loc[~stored["id"].isin(content["id"]), "id"]),
    )


def _differs(current: pd.DataFrame, before: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which rows differ, pairwise by position; missing equals missing."""
    differs = np.zeros(len(current), dtype=np.bool_)
    for name in CONTENT:
        if name not in NOT_COMPARED:
            new, old = current[name].to_numpy(), before[name].to_numpy()
            differs |= (new != old) & ~(pd.isna(new) & pd.isna(old))
    return differs


def _check_owner(
    connection: sa.Connection, content: pd.DataFrame, dataset: str, label: str
) -> None:
    """Refuse ids of another list: an update would silently take the record over."""
    query = sa.select(INITIATIVES.c.id, INITIATIVES.c.dataset)
    others = connection.execute(query.where(INITIATIVES.c.dataset != dataset)).all()
    owner = {row.id: row.dataset for row in others}
    taken = [key for key in content["id"] if key in owner]
    if taken:
        named = ", ".join(f"{key!r} (of {owner[key]!r})" for key in taken[:5])
        more = f" and {len(taken) - 5} more" if len(taken) > 5 else ""
        raise StoreError(
            f"{label}: expected ids of the list {dataset!r} or new ones, got {named}{more};"
            " nothing was imported"
        )
