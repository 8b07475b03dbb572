"""``python -m geo_service.cli``: the command line without its script."""

from __future__ import annotations

from geo_service.cli import main

main()
