"""From text cells to valid records: every fault named, ids stable, duplicates reported.

What a file may say is docs/records.md.

::

    validation    validate_records: RawTable -> ValidationResult     <- begin here
    cells         the fields, their headings, and the check of each field's text
    identity      ids that stay across corrected files
    duplicates    probable duplicates
    likeness      how alike names are
"""

from __future__ import annotations

from geo_service.records.duplicates import find_duplicates
from geo_service.records.identity import resolve_ids
from geo_service.records.validation import check_writable, validate_records, write_issues

__all__ = [
    "check_writable",
    "find_duplicates",
    "resolve_ids",
    "validate_records",
    "write_issues",
]
