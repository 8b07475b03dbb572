"""The interface for programs, ``/api/v1``, and its page for people, ``/api/``.

docs/api.md describes it for those who use it. Each operation declares its parameters and
answers once; requests are read, and the OpenAPI document is written, from that.

::

    operations    an operation: its address, parameters, answers     <- begin here
    parameters    a parameter: its schema and how it is read
    initiatives   the records of a choice, and one record
    territory     areas, borders, suggestions
    changes       changes since a revision, and the summary
    coverage      where the gaps are, as on the planners' pages
    siting        where the next places could be, as on the planners' pages
    planners      what those two share: a choice from English parameters
    front         landing page, OpenAPI document, page for people
    edition       the records of one revision, written
    records       the records of one revision, found
    cursors       where a walk through pages goes on
    media         formats, compression, entity tags
    schemas, openapi    what answers look like; the document
    problems      errors (RFC 9457)
"""

from __future__ import annotations

# Importing a part puts its operations on their addresses; a further part is added here.
from geo_service.web.api import changes, coverage, front, initiatives, siting, territory
from geo_service.web.api.front import api_page
from geo_service.web.api.operations import api
from geo_service.web.api.problems import problem

__all__ = [
    "api",
    "api_page",
    "changes",
    "coverage",
    "front",
    "initiatives",
    "problem",
    "siting",
    "territory",
]
