"""The planners' pages: where the gaps are, how sure that is, and how it was measured.

`query` reads an address as a `Choice`, `figures` turns a choice into numbers, once for page,
map, files and report, `summary` says them in sentences, `pages` answers. German alone.
"""
