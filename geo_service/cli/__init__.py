"""The command line: what an operator does, from import to dated states.

::

    program    main and the group of all commands   <- begin here
    serving    serve
    lists      import, refresh, review, erase
    figures    coverage, load-demand, load-population
    states     snapshot, changes
    maps       export-map
    options    options that several commands share
    setup      settings, database and day, before a command begins
    printing   tables and sentences for the terminal
"""

from __future__ import annotations

from geo_service.cli.program import cli, main

__all__ = ["cli", "main"]
