"""What the store needs of a database: the contract that `sqlite` and `postgis` fulfil."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Access: TypeAlias = Literal["read", "put", "write", "migrate"]
"""``put`` writes beside an import that runs (the geocode cache), ``write`` excludes it."""

Rows: TypeAlias = "Iterable[Sequence[Any]]"


class Backend(ABC):
    """What differs between the two databases."""

    name: str
    label: str
    timeout_s: float
    types: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """Return an engine; nothing is opened yet."""

    @abstractmethod
    def prepare(self) -> None:
        """Make ready what has to exist before the first connection."""

    @abstractmethod
    def options(self, access: Access) -> dict[str, Any]:
        """Return the execution options of a transaction."""

    @abstractmethod
    def lock(self, connection: sa.Connection, access: Access) -> None:
        """Wait until no other writer is at work, where the begin has not done so."""

    @abstractmethod
    def check_home(self, connection: sa.Connection) -> None:
        """Raise StoreError where our tables cannot live in this database."""

    @abstractmethod
    def set_aside(self, engine: sa.Engine, stamp: str) -> str | None:
        """Move what is stored out of the way; return its new name, None if nothing was."""

    @abstractmethod
    def scrub(self, engine: sa.Engine) -> None:
        """Wipe what deleted records have left where no statement reads it any more."""

    @abstractmethod
    def load(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Rows
    ) -> None:
        """Insert many rows."""

    @abstractmethod
    def upsert(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Rows
    ) -> None:
        """Insert rows or, by primary key, replace all but `dataset` and `first_revision`."""

    NO_TABLES: Final = "it has no tables yet: import a file or start the service once"

    def locked(self) -> str:
        """Say that somebody else was at work for too long."""
        return f"another process kept it locked for {self.timeout_s:g} s"

    @staticmethod
    def full(text: str) -> str:
        """Say that the disk is full, and what the driver said."""
        return f"the disk is full; nothing was changed ({text})"

    def reason(self, error: BaseException) -> str:
        """Say in one line what went wrong, without secrets."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
        text = " ".join(str(cause).split()) or type(cause).__name__
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return self._explain(cause, text)

    @abstractmethod
    def _explain(self, cause: BaseException, text: str) -> str:
        """Turn a driver's error into what a person can act on."""


def replaced(insert: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return what `insert` sets in a row that is there already: all but what stays its own."""
    kept = {"id", "key", "dataset", "first_revision"}
    return {name: insert.excluded[name] for name in names if name not in kept}
