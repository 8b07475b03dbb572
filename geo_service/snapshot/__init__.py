"""One immutable view of the store at one revision, and the holder that keeps it current.

A reader takes `SnapshotHolder.current()` once per answer and reads nothing else, so that
everything in the answer is of one revision.

::

    snapshot     Snapshot: what readers see, and what is measured of it   <- begin here
    holder       SnapshotHolder: the snapshot of the current revision
    comparison   a dated state beside another one, or beside the present
    territory    the Land, which all snapshots share
    derived      what is worked out of a snapshot, kept up to a bound in bytes
"""

from __future__ import annotations

from geo_service.snapshot.comparison import CURRENT, compare, parameters_of
from geo_service.snapshot.holder import HolderStatus, SnapshotHolder
from geo_service.snapshot.snapshot import Snapshot
from geo_service.snapshot.territory import Territory, load_territory

__all__ = [
    "CURRENT",
    "HolderStatus",
    "Snapshot",
    "SnapshotHolder",
    "Territory",
    "compare",
    "load_territory",
    "parameters_of",
]
