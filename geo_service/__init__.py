"""Where meeting places are, which districts have too few, and where the next ones should go.

A file becomes a table, the table gets points, the points get municipalities, the store keeps
them at a revision, a snapshot of that revision is measured, and maps, pages and the API only
read the snapshot. `geo_service.pipeline` is that sentence in Python; `geo_service.schema` has
the contracts of the tables.
"""

__version__ = "0.1.0"
