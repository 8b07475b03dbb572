#!/usr/bin/env python3
"""Build data/gemeinden/: boundaries, keys, figures and place names of a Land.

    python scripts/build_gemeinden.py --source npm|bkg|FILE [--land 07]

Reads a VG250 release (BKG), brings it to the territorial state of the Gemeindeverzeichnis,
checks it, and writes gemeinden.gpkg, gemeinden.json, orte.csv, schluessel.csv and README.md.
Nothing is written where a check fails. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from gemeinden import vg250  # noqa: E402
from gemeinden.checks import check_release, check_territory  # noqa: E402
from gemeinden.errors import BuildError  # noqa: E402
from gemeinden.output import Build, write_build  # noqa: E402
from gemeinden.places import ADMIN1_OF_LAND, build_places, read_geonames  # noqa: E402
from gemeinden.register import read_changes, read_register  # noqa: E402
from gemeinden.territory import bring_to_state  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA: Final = ROOT / "data" / "gemeinden"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Build data/gemeinden/ from a VG250 release and the Gemeindeverzeichnis."
    )
    parser.add_argument(
        "--source",
        required=True,
        help="npm (VG250 of 2016), bkg (download), or a VG250 file: GPKG, or zipped GPKG or SHP",
    )
    parser.add_argument("--land", default="07", choices=sorted(ADMIN1_OF_LAND), metavar="NN")
    parser.add_argument("--register", type=Path, default=DATA / "gemeinden_rlp.csv")
    parser.add_argument("--changes", type=Path, default=DATA / "gebietsaenderungen_rlp.csv")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    parser.add_argument("--date", help="territorial date of FILE (JJJJ-MM-TT)")
    parser.add_argument("--bkg-url", default=vg250.BKG_URL, help="where BKG's editions lie")
    parser.add_argument("--edition", default="aktuell", help="BKG's edition: aktuell, or a year")
    options = parser.parse_args(arguments)
    if options.date is not None and _not_a_date(options.date):
        parser.error(f"--date: expected JJJJ-MM-TT, got {options.date!r}")
    return options


def _not_a_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() != text
    except ValueError:
        return True


def read_release(options: argparse.Namespace, folder: Path) -> vg250.Release:
    """Read the release that ``--source`` names."""
    if options.source == "npm":
        return vg250.read_npm(options.land, folder)
    if options.source == "bkg":
        return vg250.read_bkg(
            options.land, folder, base_url=options.bkg_url, edition=options.edition
        )
    return vg250.read_file(Path(options.source), options.land, folder, date=options.date)


def command_of(options: argparse.Namespace) -> str:
    """Return the command that builds this again, without the folders of this machine."""
    source = options.source if options.source in ("npm", "bkg") else Path(options.source).name
    parts = ["python scripts/build_gemeinden.py", f"--source {source}", f"--land {options.land}"]
    if options.date:
        parts.append(f"--date {options.date}")
    if options.source == "bkg" and options.edition != "aktuell":
        parts.append(f"--edition {options.edition}")
    if options.register.resolve() != DATA / "gemeinden_rlp.csv":
        parts.append(f"--register {options.register.name}")
    if options.changes.resolve() != DATA / "gebietsaenderungen_rlp.csv":
        parts.append(f"--changes {options.changes.name}")
    return " ".join(parts)


def build(options: argparse.Namespace) -> dict[str, object]:
    """Do the work; return the metadata that was written."""
    register = read_register(options.register, options.land)
    changes = read_changes(options.changes)
    with tempfile.TemporaryDirectory(prefix="gemeinden-") as name:
        release = read_release(options, Path(name))
    check_release(release)
    territory = bring_to_state(release, register, changes)
    differences = check_territory(territory, register, changes, release)
    places = build_places(read_geonames(options.land), territory, release)
    result = Build(
        release,
        territory,
        register,
        options.register.name,
        options.changes.name,
        differences,
        places,
        command_of(options),
    )
    return write_build(result, options.out, built_on=dt.date.today().isoformat())


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and say what was built; 1 where something fails, with every fault found."""
    options = parse(arguments)
    try:
        metadata = build(options)
    except BuildError as error:
        print(f"Nothing was written.\n{error}", file=sys.stderr)
        return 1
    print(f"Written to {options.out}")
    for name, value in metadata["checks"].items():  # type: ignore[attr-defined]
        print(f"  {name}: {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
