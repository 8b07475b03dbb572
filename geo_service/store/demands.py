"""Named demands: the figures of a table per area, beside the population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from geo_service.schema import Demand
from geo_service.store.tables import DEMANDS, FIGURES

if TYPE_CHECKING:
    from geo_service.store.backend import Backend


def read_demands(connection: sa.Connection) -> tuple[Demand, ...]:
    """Return all demands with their figures, by slug."""
    figures: dict[str, dict[str, float | None]] = {}
    rows = connection.execute(sa.select(FIGURES).order_by(FIGURES.c.slug, FIGURES.c.key))
    for slug, key, people in rows:
        figures.setdefault(slug, {})[key] = people
    return tuple(
        Demand(row.slug, row.name, row.level, figures.get(row.slug, {}), row.source_note,
               row.as_of, row.sha256)
        for row in connection.execute(sa.select(DEMANDS).order_by(DEMANDS.c.slug))
    )  # fmt: skip


def delete_demand(connection: sa.Connection, slug: str) -> bool:
    """Delete a demand; say whether there was one."""
    connection.execute(sa.delete(FIGURES).where(FIGURES.c.slug == slug))
    return bool(connection.execute(sa.delete(DEMANDS).where(DEMANDS.c.slug == slug)).rowcount)


def write_demand(
    connection: sa.Connection, backend: Backend, demand: Demand, revision: int
) -> None:
    """Store a demand in place of the one with its slug."""
    delete_demand(connection, demand.slug)
    about = {
        name: getattr(demand, name)
        for name in ("slug", "name", "level", "source_note", "as_of", "sha256")
    }
    connection.execute(sa.insert(DEMANDS).values(**about, revision=revision))
    rows = ((demand.slug, key, people) for key, people in sorted(demand.figures.items()))
    backend.load(connection, FIGURES, ["slug", "key", "people"], rows)
