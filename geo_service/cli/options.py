"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from geo_service.config import Settings
from geo_service.coverage import MAX_RADIUS_M, CoverageParameters
from geo_service.errors import QueryError
from geo_service.names import slug
from geo_service.schema import CATEGORIES, LEVELS, PRECISIONS, THEMES, Precision

EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE: Final = click.Path(dir_okay=False, writable=True, path_type=Path)

_Command = TypeVar("_Command", bound=Callable[..., Any])

database_option = click.option(
    "--database", metavar="URL", help="Database; default: DATABASE_URL, else SQLite in instance/."
)
"""Add ``--database``, which goes before DATABASE_URL."""

level_option = click.option(
    "--level", type=click.Choice(LEVELS), default="kreis", show_default=True, help="Areas to list."
)
"""Add ``--level``."""

issues_option = click.option(
    "--issues",
    "issues_file",
    type=NEW_FILE,
    metavar="OUT.csv",
    help="Write every fault to this file.",
)
"""Add ``--issues``, given as ``issues_file``."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Which places count, within which radius, and for whom."""

    radius_km: float | None
    category: tuple[str, ...]
    theme: tuple[str, ...]
    precision: Precision | None
    current_months: int | None
    demand: str | None

    @property
    def demand_slug(self) -> str | None:
        """The slug of the people who count; None for everyone."""
        return None if self.demand is None else slug(self.demand)

    def parameters(self, settings: Settings) -> CoverageParameters:
        """Return what to measure with.

        Raises
        ------
        QueryError
            If the radius is out of bounds.
        """
        radius_m = settings.radius_m if self.radius_km is None else _metres(self.radius_km)
        return CoverageParameters(
            radius_m=radius_m,
            categories=self.category,
            themes=self.theme,
            minimum_precision=self.precision,
            current_within_months=self.current_months,
        )


def measure_options(command: _Command) -> Callable[..., Any]:
    """Add the options of `Measured`, which the command is given as ``measured``."""

    @functools.wraps(command)
    def with_measured(
        radius_km: float | None,
        category: tuple[str, ...],
        theme: tuple[str, ...],
        precision: Precision | None,
        current_months: int | None,
        demand: str | None,
        **rest: Any,
    ) -> Any:
        measured = Measured(radius_km, category, theme, precision, current_months, demand)
        return command(measured=measured, **rest)

    months = click.IntRange(min=1)
    options = (
        click.option("--demand", metavar="NAME", help="These people count; see load-demand."),
        click.option("--current-months", type=months, help="Only places stated since count."),
        click.option(
            "--precision", type=click.Choice(PRECISIONS), help="Rougher places do not count."
        ),
        click.option("--theme", multiple=True, type=click.Choice(THEMES), help="Only these count."),
        click.option(
            "--category", multiple=True, type=click.Choice(CATEGORIES), help="Only these count."
        ),
        click.option("--radius-km", type=float, help="Service radius in km; default 5."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), options, with_measured)


def _metres(radius_km: float) -> float:
    """Return what ``--radius-km`` says in metres, to the millimetre, as pages do.

    It is refused in kilometres, as it came.
    """
    radius_m = round(radius_km * 1000, 3)
    if not 0 < radius_m <= MAX_RADIUS_M:
        most_km = MAX_RADIUS_M / 1000
        raise QueryError(
            f"--radius-km: expected over 0 to {most_km:g} kilometres, got {radius_km:g}"
        )
    return radius_m
