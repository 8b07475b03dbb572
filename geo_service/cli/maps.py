"""The command that writes a map as a file."""

from __future__ import annotations

from pathlib import Path

import click

from geo_service.cli.options import database_option
from geo_service.cli.printing import console, say
from geo_service.cli.setup import now, read_current, read_settings
from geo_service.errors import QueryError
from geo_service.formats import BERLIN, german_number
from geo_service.schema import CATEGORIES, THEMES


@click.command("export-map")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.html")
@click.option("--gebiet", "area_key", default="", metavar="KEY", help="Only the places in it.")
@click.option("--category", multiple=True, type=click.Choice(CATEGORIES), help="Only these.")
@click.option("--theme", multiple=True, type=click.Choice(THEMES), help="Only these.")
@database_option
def export_map(
    out: Path,
    area_key: str,
    category: tuple[str, ...],
    theme: tuple[str, ...],
    database: str | None,
) -> None:
    """Write a map and its list as one file that needs no network, and a picture beside it.

    OUT.html has everything inside, for websites that may frame nothing; OUT.png is for those
    that show pictures alone. See docs/embed.md.
    """
    if out.suffix != ".html":
        raise QueryError(f"{out}: expected a name that ends in .html")
    settings = read_settings(database)
    current = read_current(settings)
    # Imported late: the other commands start without the web.
    from geo_service.web.embed import standalone
    from geo_service.web.site import Backdrop, View

    view = View(current, now().astimezone(BERLIN), Backdrop())
    file = standalone.StandaloneMap(
        view,
        standalone.read_area(view, area_key),
        kinds=category,
        themes=theme,
        name=settings.service_name,
        public_url=settings.public_url,
    )
    files = {out.with_suffix(".png"): file.png(), out: file.html()}
    standalone.write_whole(files)
    for path, content in files.items():
        size = german_number(len(content) / 1000)
        say(f"Written to {path}, {size} kB.")
    console.print(f"{len(file.places)} places.")
