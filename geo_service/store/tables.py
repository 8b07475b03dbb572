"""The tables as statements name them. What creates them is in `migrations`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from geo_service.errors import SchemaError
from geo_service.schema import INITIATIVE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping


class UtcTime(sa.TypeDecorator[dt.datetime]):
    """A moment with its zone: TIMESTAMPTZ on PostgreSQL, sortable ISO text on SQLite."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of `dialect`."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        """Write in UTC; a moment without a zone is a bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise SchemaError(f"expected a moment with a time zone, got {value.isoformat()}")
        moment = value.astimezone(dt.UTC)
        if dialect.name == "postgresql":
            return moment
        return moment.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        """Read in UTC."""
        if value is None:
            return None
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        return moment.astimezone(dt.UTC)


TABLES = sa.MetaData()
_SQL_TYPE: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    "str": sa.Text(),
    "int64": sa.BigInteger(),
    "float64": sa.Double(),
}
POINT: Final = {"point_lon": "float64", "point_lat": "float64"}
CONTENT: Final[Mapping[str, str]] = {**INITIATIVE_COLUMNS, **POINT}
"""What is stored of an initiative: its columns and the assigned point in degrees."""

NOT_COMPARED: Final = frozenset({"id", "source_line", "coordinate_date"})
"""Columns that alone do not make a change: a row that only moved within its file, or whose
address was looked up again with the same answer, is the same row."""

SCHEMA = sa.Table(
    "geo_service_schema",
    TABLES,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", UtcTime, nullable=False),
)
REVISIONS = sa.Table(
    "revisions",
    TABLES,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
)
INITIATIVES = sa.Table(
    "initiatives",
    TABLES,
    *(
        sa.Column(name, _SQL_TYPE[dtype], primary_key=name == "id", nullable=name != "id")
        for name, dtype in CONTENT.items()
    ),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("first_revision", sa.BigInteger, nullable=False),
    sa.Column("last_revision", sa.BigInteger, nullable=False),
)
SELECT_CONTENT: Final = sa.select(*(INITIATIVES.c[name] for name in CONTENT))
HISTORY = sa.Table(
    "history",
    TABLES,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("before", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
)
REMOVALS = sa.Table(
    "removals",
    TABLES,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
)
IMPORTS = sa.Table(
    "imports",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in ("rows", "accepted", "rejected", "created", "updated", "unchanged")
    ),
)
CACHE = sa.Table(
    "geocode_cache",
    TABLES,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
)
POPULATION = sa.Table(
    "population",
    TABLES,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("source_note", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
CELLS = sa.Table(
    "population_cells",
    TABLES,
    sa.Column("cell", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("ags", sa.Text),
    sa.Column("x_m", sa.Double, nullable=False),
    sa.Column("y_m", sa.Double, nullable=False),
    sa.Column("people", sa.Double, nullable=False),
)
DEMANDS = sa.Table(
    "demands",
    TABLES,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("source_note", sa.Text, nullable=False),
    sa.Column("as_of", sa.Text),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
FIGURES = sa.Table(
    "demand_figures",
    TABLES,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("people", sa.Double),
)
STATES = sa.Table(
    "states",
    TABLES,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("taken_at", UtcTime, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("today", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("boundaries", sa.Text, nullable=False),
    sa.Column("population", sa.Text, nullable=False),
    sa.Column("program", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("erased", sa.BigInteger, nullable=False),
)
STATE_RECORDS = sa.Table(
    "state_records",
    TABLES,
    sa.Column("state", sa.Text, primary_key=True),
    *(
        sa.Column(name, _SQL_TYPE[dtype], primary_key=name == "id", nullable=name != "id")
        for name, dtype in CONTENT.items()
    ),
)
STATE_RESULTS = sa.Table(
    "state_results",
    TABLES,
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("level", sa.Text, primary_key=True),
    sa.Column("figures", sa.Text, nullable=False),
)
STATE_POPULATIONS = sa.Table(
    "state_populations",
    TABLES,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("source_note", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("points", sa.LargeBinary, nullable=False),
)
"""Where people lived in states, by content: many states share one population."""
