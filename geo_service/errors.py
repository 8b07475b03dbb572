"""Every error this package raises on purpose, in one tree.

::

    GeoServiceError
    ├── SettingsError       a setting is missing or cannot be read
    ├── InputError          what the caller gave us is wrong
    │   ├── FileFormatError   the file as a whole cannot be read
    │   ├── ValidationError   rows of the file are wrong; see `.issues`
    │   └── QueryError        a parameter of a request or a call is wrong
    ├── NotFoundError       what was asked for does not exist
    ├── GeocodingError      a geocoder cannot be set up or used
    ├── TypesettingError    a PDF cannot be made
    ├── StoreError          the database cannot be read or written
    │   └── ConflictError     somebody else wrote since the caller last read
    └── SchemaError         a table breaks its contract: our bug

A message says where, what was expected and what came:
``ok.csv, line 12, postcode: expected 5 digits, got '7017'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geo_service.schema import Issue

__all__ = [
    "ConflictError",
    "FileFormatError",
    "GeoServiceError",
    "GeocodingError",
    "InputError",
    "NotFoundError",
    "QueryError",
    "SchemaError",
    "SettingsError",
    "StoreError",
    "TypesettingError",
    "ValidationError",
]


class GeoServiceError(Exception):
    """Anything this package raises on purpose."""


class SettingsError(GeoServiceError):
    """A setting is missing or cannot be read."""


class InputError(GeoServiceError):
    """What the caller gave us is wrong."""


class FileFormatError(InputError):
    """A file as a whole cannot be read."""


class ValidationError(InputError):
    """Rows of a file are wrong; `issues` has every fault found."""

    def __init__(self, message: str, issues: Sequence[Issue] = ()) -> None:
        super().__init__(message)
        self.issues = tuple(issues)


class QueryError(InputError):
    """A parameter of a request or of a call is wrong."""


class NotFoundError(GeoServiceError):
    """What was asked for does not exist."""


class GeocodingError(GeoServiceError):
    """A geocoder cannot be set up or used."""


class TypesettingError(GeoServiceError):
    """A PDF cannot be made within its limits."""


class StoreError(GeoServiceError):
    """The database cannot be read or written."""


class ConflictError(StoreError):
    """Somebody else wrote since the caller last read; read again and retry."""


class SchemaError(GeoServiceError):
    """A table breaks its contract: a bug of ours, never the user's."""
