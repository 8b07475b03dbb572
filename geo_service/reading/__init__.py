"""Files of strangers become rows of text cells. No file reaches GDAL.

The standard library and `errors` are all that is imported here, so that the reading process
starts in some 70 ms and its memory is the file's.

::

    reader        read_records: judges a file, starts the process        <- begin here
    child         that process: bytes in, rows of text cells out, within limits
    csv_file      xlsx_file      geojson_file      one kind each
    common        what they share
"""

from __future__ import annotations

from geo_service.reading.reader import DEFAULT_LIMITS, Limits, RawTable, read_records

__all__ = ["DEFAULT_LIMITS", "Limits", "RawTable", "read_records"]
