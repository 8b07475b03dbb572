"""The data of one revision as answers are made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from geo_service.web.api.media import csv_text, tag_of, to_json
from geo_service.web.api.records import DECIMALS, RecordIndex
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geo_service.snapshot import Snapshot
    from geo_service.web.api.media import Format
    from geo_service.web.api.records import Found
    from geo_service.web.site import View

__all__ = ["Edition", "edition_of", "present"]

_PIECE: Final = 500
"""Records that are sent at once where many are."""


@dataclass(frozen=True, slots=True)
class Edition:
    """The records of one revision; `mark` changes with any byte of it.

    `head` are the members that every answer begins with, as the inside of a JSON object.
    """

    revision: int
    index: RecordIndex
    head: bytes
    mark: bytes

    def tag(self, *said: object) -> str:
        """Return the entity tag of what is answered to `said`."""
        return tag_of(self.revision, self.mark, repr(said).encode())

    def feature(self, found: Found) -> bytes:
        """Write a record as GeoJSON."""
        index, row = self.index, found.row
        parts = (index.written_ids[row], index.points[row], index.properties[row])
        if found.distance_mm is None:
            return b'{"type":"Feature","id":%s,"geometry":%s,"properties":{%s}}' % parts
        more = (*parts, round(found.distance_mm / 1000))
        return b'{"type":"Feature","id":%s,"geometry":%s,"properties":{%s,"distance_m":%d}}' % more

    def item(self, found: Found) -> bytes:
        """Write a record as plain JSON, its point as lon and lat."""
        index, row = self.index, found.row
        said = index.properties[row]
        if index.placed[row]:
            lon, lat = float(index.lon[row]), float(index.lat[row])
            said += f',"lon":{round(lon, DECIMALS)!r},"lat":{round(lat, DECIMALS)!r}'.encode()
        if found.distance_mm is not None:
            said += b',"distance_m":%d' % round(found.distance_mm / 1000)
        return b"{%s}" % said

    def known(self, found: Found) -> dict[str, Any]:
        """Return what is known of a record, by column."""
        said = self.index.values(found.row)
        if found.distance_mm is not None:
            said["distance_m"] = round(found.distance_mm / 1000)
        return said

    def written(
        self, rows: Iterable[Found], format_: Format, *, columns: Sequence[str], all_: bool
    ) -> Iterator[bytes]:
        """Write records in pieces, without what stands before and behind them.

        Parameters
        ----------
        rows
            The records in their order.
        format_
            In which format.
        columns
            The public columns to write, among them the id.
        all_
            Whether those are all there are: then nothing is written anew.
        """
        rows = iter(rows)
        write = self._writer(format_, columns, all_=all_)
        comma = b""
        while piece := list(islice(rows, _PIECE)):
            if format_ == "csv":
                yield b"".join(map(write, piece))
            else:
                yield comma + b",".join(map(write, piece))
                comma = b","

    def _writer(self, format_: Format, columns: Sequence[str], *, all_: bool) -> Any:
        if format_ == "csv":
            return partial(self._line, columns)
        if format_ == "geojson":
            return self.feature if all_ else partial(self._short_feature, columns)
        return self.item if all_ else partial(self._short_item, columns)

    def _short_item(self, columns: Sequence[str], found: Found) -> bytes:
        known = self.known(found)
        wanted = (*columns, "lon", "lat", "distance_m")
        return to_json({name: known[name] for name in wanted if name in known})

    def _short_feature(self, columns: Sequence[str], found: Found) -> bytes:
        known = self.known(found)
        said = {name: known[name] for name in (*columns, "distance_m") if name in known}
        parts = (self.index.written_ids[found.row], self.index.points[found.row], to_json(said))
        return b'{"type":"Feature","id":%s,"geometry":%s,"properties":%s}' % parts

    def _line(self, columns: Sequence[str], found: Found) -> bytes:
        known = self.known(found)
        return csv_text([[known.get(name) for name in columns]])


def present(*, at_least: int = 0) -> tuple[View, Edition]:
    """Return the present revision and its records, for the whole of an answer.

    Parameters
    ----------
    at_least
        A revision that the client has seen already, perhaps from another process.
    """
    site = the_site()
    view = site.view()
    if view.snapshot.revision < at_least:
        view = replace(view, snapshot=site.holder.current(at_least=at_least))
    return view, edition_of(view.snapshot)


def edition_of(snapshot: Snapshot) -> Edition:
    """Return the records of a snapshot, read once."""
    return snapshot.derive(("api edition",), partial(_edition, snapshot))


def _edition(snapshot: Snapshot) -> Edition:
    index = RecordIndex(snapshot.initiatives)
    notes = to_json("\n".join(snapshot.source_notes))
    head = b'"revision":%d,"attribution":%s' % (snapshot.revision, notes)
    return Edition(snapshot.revision, index, head, index.mark + head)
