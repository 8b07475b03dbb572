"""The group of all commands, and what becomes of a fault."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from geo_service import __version__
from geo_service.cli import figures, lists, maps, serving, states
from geo_service.cli.printing import print_refused, stderr
from geo_service.cli.setup import EXIT_REFUSED
from geo_service.errors import GeoServiceError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def cli() -> None:
    """Begegnungsorte in Rheinland-Pfalz: records, coverage, maps."""


for _command in (
    serving.serve,
    lists.import_command,
    lists.refresh,
    lists.review_command,
    lists.erase,
    figures.coverage_command,
    figures.load_demand,
    figures.load_population,
    states.snapshot_command,
    states.changes_command,
    maps.export_map,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a fault of the user's is one clear message, not a traceback."""
    try:
        status = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="geo-service",
            standalone_mode=False,
        )
    except (click.exceptions.Abort, KeyboardInterrupt):
        stderr.print("Stopped.")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GeoServiceError as error:
        print_refused(error)
        sys.exit(EXIT_REFUSED)
    sys.exit(status if isinstance(status, int) else 0)
