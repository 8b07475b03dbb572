"""The planners' pages: where the gaps are, how sure that is, and how it was measured.

`query` reads an address as a `Choice`, `figures` turns a choice into numbers, once for page,
map, files and report, `summary` says them in sentences, `pages` answers. German alone.
"""

# Each of these adds its routes to the blueprint of `pages`.
from geo_service.web.planning import compare, files, scenario, siting
from geo_service.web.planning.pages import planning

__all__ = ["compare", "files", "planning", "scenario", "siting"]
