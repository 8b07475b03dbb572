"""Schema versions: what creates the tables and brings them forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import sqlalchemy as sa

from geo_service.store.tables import REVISIONS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from geo_service.store.backend import Backend

_V1: Final = (
    """CREATE TABLE geo_service_schema (
        version integer PRIMARY KEY, applied_at {time} NOT NULL)""",
    """CREATE TABLE revisions (
        number bigint PRIMARY KEY, changed_at {time} NOT NULL, cause text NOT NULL)""",
    """CREATE TABLE initiatives (
        id {key} PRIMARY KEY NOT NULL, name text, category text, theme text, organisation text,
        street text, house_number text, postcode text, city text, municipality text,
        verbandsgemeinde text, kreis text, website text, opening_hours text, offers text,
        languages text, wheelchair text, lon {float}, lat {float}, source text,
        source_date text, confirmed_on text, source_line bigint, coordinate_status text,
        coordinate_source text, coordinate_precision text, coordinate_score {float},
        coordinate_date text, coordinate_licence text, coordinate_note text, ags text,
        municipality_check text, point_lon {float}, point_lat {float}, dataset text NOT NULL,
        first_revision bigint NOT NULL REFERENCES revisions (number),
        last_revision bigint NOT NULL REFERENCES revisions (number){geometry})""",
    "CREATE INDEX initiatives_dataset ON initiatives (dataset)",
    """CREATE TABLE history (
        id {key} NOT NULL, revision bigint NOT NULL REFERENCES revisions (number),
        operation text NOT NULL, before {json}, PRIMARY KEY (id, revision))""",
    """CREATE TABLE imports (
        number {counter} PRIMARY KEY, revision bigint NOT NULL REFERENCES revisions (number),
        at {time} NOT NULL, dataset text NOT NULL, file_name text NOT NULL,
        sha256 text NOT NULL, rows bigint NOT NULL, accepted bigint NOT NULL,
        rejected bigint NOT NULL, created bigint NOT NULL, updated bigint NOT NULL,
        unchanged bigint NOT NULL)""",
    """CREATE TABLE geocode_cache (
        key {key} PRIMARY KEY NOT NULL, text text NOT NULL, expires_at {time} NOT NULL)""",
    """CREATE TABLE population (
        slot integer PRIMARY KEY CHECK (slot = 1), basis text NOT NULL,
        source_note text NOT NULL, revision bigint NOT NULL REFERENCES revisions (number))""",
    """CREATE TABLE population_cells (
        cell {bigkey} PRIMARY KEY, ags text, x_m {float} NOT NULL, y_m {float} NOT NULL,
        people {float} NOT NULL)""",
)
_V1_POSTGRES: Final = ("CREATE INDEX initiatives_geom ON initiatives USING gist (geom)",)


def _create_tables(connection: sa.Connection, backend: Backend, now: dt.datetime) -> None:
    """Version 1. A migration that has been released is never edited: add the next one."""
    for statement in _V1:
        connection.exec_driver_sql(statement.format_map(backend.types))
    for statement in _V1_POSTGRES if backend.name == "postgresql" else ():
        connection.exec_driver_sql(statement)
    connection.execute(sa.insert(REVISIONS).values(number=0, changed_at=now, cause="set-up"))


_V2: Final = (
    """CREATE TABLE demands (
        slug {key} PRIMARY KEY NOT NULL, name text NOT NULL, level text NOT NULL,
        source_note text NOT NULL, as_of text, sha256 text NOT NULL,
        revision bigint NOT NULL REFERENCES revisions (number))""",
    """CREATE TABLE demand_figures (
        slug {key} NOT NULL REFERENCES demands (slug), key {key} NOT NULL, people {float},
        PRIMARY KEY (slug, key))""",
    """CREATE TABLE state_populations (
        sha256 {key} PRIMARY KEY NOT NULL, basis text NOT NULL, source_note text NOT NULL,
        name text NOT NULL, points {bytes} NOT NULL)""",
    """CREATE TABLE states (
        slug {key} PRIMARY KEY NOT NULL, name text NOT NULL, taken_at {time} NOT NULL,
        revision bigint NOT NULL REFERENCES revisions (number), today text NOT NULL,
        parameters text NOT NULL, boundaries text NOT NULL,
        population {key} NOT NULL REFERENCES state_populations (sha256),
        program text NOT NULL, method text NOT NULL,
        records bigint NOT NULL, erased bigint NOT NULL)""",
    """CREATE TABLE state_records (
        state {key} NOT NULL REFERENCES states (slug), id {key} NOT NULL, name text,
        category text, theme text, organisation text, street text, house_number text,
        postcode text, city text, municipality text, verbandsgemeinde text, kreis text,
        website text, opening_hours text, offers text, languages text, wheelchair text,
        lon {float}, lat {float}, source text, source_date text, confirmed_on text,
        source_line bigint, coordinate_status text, coordinate_source text,
        coordinate_precision text, coordinate_score {float}, coordinate_date text,
        coordinate_licence text, coordinate_note text, ags text, municipality_check text,
        point_lon {float}, point_lat {float}, PRIMARY KEY (state, id))""",
    """CREATE TABLE state_results (
        state {key} NOT NULL REFERENCES states (slug), level {key} NOT NULL,
        figures text NOT NULL, PRIMARY KEY (state, level))""",
)


def _add_demands_and_states(connection: sa.Connection, backend: Backend, _now: dt.datetime) -> None:
    """Version 2: figures of other people than the whole population, and dated states."""
    for statement in _V2:
        connection.exec_driver_sql(statement.format_map(backend.types))


_V3: Final = """CREATE TABLE removals (
    digest {key} NOT NULL, revision bigint NOT NULL REFERENCES revisions (number),
    PRIMARY KEY (digest, revision))"""


def _add_removals(connection: sa.Connection, backend: Backend, _now: dt.datetime) -> None:
    """Version 3: what mirrors must delete; digests, because the ids are erased as well."""
    connection.exec_driver_sql(_V3.format_map(backend.types))


Migration: TypeAlias = "Callable[[sa.Connection, Backend, dt.datetime], None]"
MIGRATIONS: tuple[Migration, ...] = (_create_tables, _add_demands_and_states, _add_removals)
"""Version n is what the first n steps make; a step runs once, in one transaction."""
