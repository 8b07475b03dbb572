"""The command that serves the pages."""

from __future__ import annotations

import sys

import click

from geo_service import pipeline
from geo_service.cli.options import database_option
from geo_service.cli.printing import console, print_report, say
from geo_service.cli.setup import now, open_workshop, read_settings, today, warn_of_missing
from geo_service.snapshot import load_territory
from geo_service.store import Store


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on; default 8000.")
@click.option("--workers", type=click.IntRange(1, 64), help="Web processes; default 2.")
@click.option("--reset", is_flag=True, help="Set the database aside and build it anew from data/.")
@database_option
def serve(
    host: str | None, port: int | None, workers: int | None, reset: bool, database: str | None
) -> None:
    """Serve the pages; the first start builds the database from the example records."""
    settings = read_settings(database, host=host, port=port, workers=workers)
    # Imported late: the other commands start without the web.
    from geo_service import server

    server.check_port(settings.host, settings.port)
    if reset:
        with Store(settings.database_url) as store:
            aside = store.reset(now=now())
        console.print(f"Database set aside as {aside}" if aside else "No database was there yet.")
    territory = load_territory(settings.data_dir)
    with open_workshop(settings, territory) as workshop:
        if not workshop.store.imports(limit=1):
            examples = settings.data_dir / "initiativen" / "initiativen.csv"
            console.print(f"Building the database from {examples}")
            print_report(pipeline.import_file(examples, workshop, today=today()), duplicates=False)
        revision = workshop.store.revision()
    warn_of_missing(settings)
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    say(
        f"Serving {settings.service_name}, revision {revision},"
        f" on http://{address}:{settings.port} (Ctrl-C ends)"
    )
    sys.stdout.flush()
    server.serve(settings, territory)
