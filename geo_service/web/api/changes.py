"""What changed since a revision, for those who keep a copy, and what there is in all."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geo_service.coverage import CoverageParameters, select_places
from geo_service.schema import PUBLIC_COLUMNS, STALE_AFTER_MONTHS
from geo_service.web.api.edition import present
from geo_service.web.api.media import send, send_stream, to_json
from geo_service.web.api.operations import Operation, operation
from geo_service.web.api.parameters import ParameterError, several, whole_number
from geo_service.web.api.records import Found, language_counts
from geo_service.web.api.schemas import reference
from geo_service.web.limits import charge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Response
    from numpy.typing import NDArray

    from geo_service.snapshot import Snapshot
    from geo_service.store import RecordLog
    from geo_service.web.api.edition import Edition
    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Asked

_MOST_REVISIONS: Final = 999_999_999

FREE_RECORDS: Final = 100
"""Beyond, sending the records counts towards the budget of files: a page of `/initiatives`."""


@operation(
    Operation(
        name="changes",
        path="/changes",
        summary="What changed since a revision",
        description="For copies that are to stay equal: pull everything once (`initiatives.json?"
        "limit=all`) and keep its `revision`; then ask for the changes since that revision,"
        " store what is in `initiatives`, delete what `removed` names, and keep the new"
        " `revision`. What was erased is named by a digest of its id alone.",
        parameters=(
            whole_number(
                "since_revision",
                0,
                _MOST_REVISIONS,
                "The revision that the copy has.",
                required=True,
                example=1,
            ),
            several(
                "include", ("records",), "`records`: send the created and updated records as well."
            ),
        ),
        answers={"json": reference("Changes")},
        example="changes?since_revision=0&include=records",
        refusals={
            409: "There is no such revision, or what changed since is no longer known: pull"
            " everything.",
            429: f"Too many answers with more than {FREE_RECORDS} records, or other files, for one"
            " address; Retry-After says when to ask again.",
        },
    )
)
def changes(asked: Asked, format_: Format) -> Response:
    """Give what changed since a revision."""
    since = asked["since_revision"]
    view, edition = present(at_least=since)
    log = view.snapshot.log
    oldest = log.since if log else edition.revision
    if not oldest <= since <= edition.revision and since != 0:
        expected = f"a revision from {oldest} to {edition.revision}, or 0; else pull everything"
        raise ParameterError("since_revision", expected, str(since), status=409)
    first, last = _revisions(view.snapshot)
    created = np.flatnonzero(first > since)
    updated = np.flatnonzero((last > since) & (first <= since))
    removed = _removed(edition, log, since) if since else []
    if "records" in asked["include"] and len(created) + len(updated) > FREE_RECORDS:
        charge("files")

    def pieces() -> Iterator[bytes]:
        ids = edition.index.ids
        said = {
            "since_revision": since,
            "created": [ids[row] for row in created],
            "updated": [ids[row] for row in updated],
            "removed": removed,
        }
        yield b"{%s,%s" % (edition.head, to_json(said)[1:-1])
        if "records" in asked["include"]:
            yield b',"initiatives":['
            rows = map(Found, np.sort(np.concatenate([created, updated])).tolist())
            yield from edition.written(rows, "json", columns=PUBLIC_COLUMNS, all_=True)
            yield b"]"
        yield b"}"

    tag = edition.tag("changes", since, asked["include"], removed)
    return send_stream(pieces, format_, tag)


def _revisions(snapshot: Snapshot) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the revisions that created and last changed each record."""
    if snapshot.log is None:
        whole = np.full(len(snapshot.initiatives), snapshot.revision, dtype=np.int64)
        return whole, whole
    return snapshot.log.first, snapshot.log.last


def _removed(edition: Edition, log: RecordLog | None, since: int) -> list[str]:
    """Return the digests of the ids that went and did not come back."""
    gone = {digest for digest, number in log.removed.items() if number > since} if log else set()
    if gone:
        gone -= {hashlib.sha256(one.encode()).hexdigest() for one in edition.index.ids}
    return sorted(gone)


# ------------------------------------------------------------------------------ summary


@operation(
    Operation(
        name="summary",
        path="/summary",
        summary="How many records there are, by kind",
        description="Counts of all records. What is not known is counted under an empty name,"
        " never left out.",
        parameters=(),
        answers={"json": reference("Summary")},
        example="summary",
    )
)
def summary(asked: Asked, format_: Format) -> Response:
    """Count the records."""
    del asked
    view, edition = present()
    snapshot = view.snapshot
    key = ("api summary", view.today)
    content = snapshot.derive(key, lambda: b"{%s,%s" % (edition.head, _counted(view, edition)))
    return send(content, format_, edition.tag("summary", view.today))


def _counted(view: Any, edition: Edition) -> bytes:
    snapshot, index = view.snapshot, edition.index
    initiatives = snapshot.initiatives
    current = select_places(
        initiatives, CoverageParameters(current_within_months=STALE_AFTER_MONTHS), today=view.today
    )
    undated = (initiatives["source_date"].isna() & initiatives["confirmed_on"].isna()).to_numpy()
    said = {
        "changed_at": snapshot.changed_at.isoformat(),
        "records": len(index),
        "with_point": int(index.placed.sum()),
        "category": _counts(edition, "category"),
        "theme": _counts(edition, "theme"),
        "precision": _counts(edition, "coordinate_precision"),
        "freshness": {
            "current": int(current.sum()),
            "stale": int((~current & ~undated).sum()),
            "undated": int(undated.sum()),
        },
        "wheelchair": _counts(edition, "wheelchair"),
        "language": language_counts(index),
    }
    return to_json(said)[1:]


def _counts(edition: Edition, column: str) -> dict[str, int]:
    counted = Counter(value or "" for value in edition.index.column(column))
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
