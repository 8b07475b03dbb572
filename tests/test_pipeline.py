"""From a file to stored records: idempotent, all or nothing, every point with its proof."""

from __future__ import annotations

import csv
import datetime as dt
import multiprocessing
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from store_world import run_command

from geo_service import pipeline, review
from geo_service.errors import FileFormatError, ValidationError
from geo_service.pipeline import Workshop
from geo_service.schema import PRECISIONS, Address
from geo_service.store import Store

TODAY = dt.date(2026, 11, 23)

HEADINGS = ["Name", "Kategorie", "Ort", "Gemeinde", "Kreis", "Straße", "Hausnummer"]
ROWS = [
    ["Café Welcome", "Begegnungscafé", "Mainz", "Mainz", "", "", ""],
    ["Treff Bauler", "Begegnungsort", "Bauler", "Bauler", "", "", ""],
    ["Treff Bauler an der Ahr", "Begegnungsort", "Bauler", "Bauler", "Ahrweiler", "", ""],
    ["Haus der Familie", "Haus der Familie", "Atlantis", "Atlantis", "", "Seestraße", "1"],
]


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([HEADINGS, *rows])
    return path


def test_examples_all_get_a_point_in_their_municipality(
    workshop: Workshop, example_file: Path
) -> None:
    report = pipeline.import_file(example_file, workshop, today=TODAY)
    initiatives = workshop.store.read().initiatives

    assert (report.rows, report.rejected, report.created) == (474, 0, 474)
    placed = initiatives[initiatives.geometry.notna()]
    assert len(placed) >= 0.95 * len(initiatives)
    assert set(placed["municipality_check"]) == {"match"}
    assert set(placed["coordinate_precision"]) <= set(PRECISIONS)
    for proof in ("source", "precision", "score", "date", "licence"):
        assert placed[f"coordinate_{proof}"].notna().all(), proof
    # An independent look: the polygon of the stated AGS really contains the point.
    land = workshop.territory.municipalities.set_index("ags").geometry
    assert land.loc[placed["ags"]].intersects(placed.geometry, align=False).all()
    listed = {finding.id for finding in review.find_findings(initiatives)}
    assert set(initiatives.loc[initiatives.geometry.isna(), "id"]) <= listed


def test_importing_again_changes_nothing(workshop: Workshop, example_file: Path) -> None:
    first = pipeline.import_file(example_file, workshop, today=TODAY)
    again = pipeline.import_file(example_file, workshop, today=TODAY + dt.timedelta(days=3))
    assert (again.created, again.updated, again.unchanged) == (0, 0, 474)
    assert again.revision == first.revision


def test_namesakes_are_not_guessed_and_unknown_places_not_invented(
    workshop: Workshop, tmp_path: Path
) -> None:
    report = pipeline.import_file(write(tmp_path / "liste.csv", ROWS), workshop, today=TODAY)
    assert dict(report.statuses) == {"found": 2, "ambiguous": 1, "not_found": 1}
    by_name = workshop.store.read().initiatives.set_index("name")
    assert by_name.loc["Treff Bauler an der Ahr", "ags"].startswith("07131")
    assert by_name.geometry.loc["Treff Bauler"] is None
    reasons = {f.name: f.reason for f in review.find_findings(workshop.store.read().initiatives)}
    assert reasons == {"Treff Bauler": "ambiguous", "Haus der Familie": "not_found"}


def test_corrected_file_updates_and_never_doubles(workshop: Workshop, tmp_path: Path) -> None:
    file = write(tmp_path / "liste.csv", ROWS)
    pipeline.import_file(file, workshop, today=TODAY)
    before = workshop.store.read().initiatives.set_index("name")["id"]
    corrected = [*map(list, ROWS)]
    corrected[0][0] = "Café Welcome e.V."
    corrected[1][4] = "Eifelkreis Bitburg-Prüm"
    report = pipeline.import_file(write(file, corrected), workshop, today=TODAY)
    after = workshop.store.read().initiatives.set_index("name")["id"]
    assert (report.created, report.updated, report.unchanged) == (0, 2, 2)
    assert after["Café Welcome e.V."] == before["Café Welcome"]
    assert len(after) == 4


def test_shorter_file_deletes_nothing_and_says_so(workshop: Workshop, tmp_path: Path) -> None:
    file = write(tmp_path / "liste.csv", ROWS)
    pipeline.import_file(file, workshop, today=TODAY)
    report = pipeline.import_file(write(file, ROWS[:3]), workshop, today=TODAY)
    assert len(report.missing) == 1
    assert len(workshop.store.read().initiatives) == 4


def test_faulty_row_stays_out_and_strict_refuses_all(workshop: Workshop, tmp_path: Path) -> None:
    rows = [*ROWS, ["Ohne Kategorie", "Raumstation", "Mainz", "Mainz", "", "", ""]]
    file = write(tmp_path / "liste.csv", rows)
    with pytest.raises(ValidationError, match="nothing was imported") as caught:
        pipeline.import_file(file, workshop, today=TODAY, strict=True)
    assert any(issue.line == 6 and issue.column == "Kategorie" for issue in caught.value.issues)
    assert workshop.store.revision() == 0
    report = pipeline.import_file(file, workshop, today=TODAY)
    assert (report.accepted, report.rejected) == (4, 1)


def test_file_without_a_valid_row_changes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    file = write(tmp_path / "liste.csv", [["", "", "", "", "", "", ""], ["X", "Y", *[""] * 5]])
    with pytest.raises(ValidationError):
        pipeline.import_file(file, workshop, today=TODAY)
    assert workshop.store.revision() == 0


def test_unreadable_file_changes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "bild.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(FileFormatError, match=r"bild\.csv"):
        pipeline.import_file(file, workshop, today=TODAY)
    assert workshop.store.revision() == 0


def test_dry_run_tells_the_same_and_writes_nothing(workshop: Workshop, example_file: Path) -> None:
    planned = pipeline.import_file(example_file, workshop, today=TODAY, dry_run=True)
    assert planned.dry_run
    assert workshop.store.revision() == 0
    assert workshop.store.imports() == ()
    done = pipeline.import_file(example_file, workshop, today=TODAY)
    assert replace(planned, dry_run=False, revision=done.revision) == done


def test_refresh_finds_the_same_points_again(workshop: Workshop, example_file: Path) -> None:
    pipeline.import_file(example_file, workshop, today=TODAY)
    revision = workshop.store.revision()
    (outcome,) = pipeline.refresh(workshop, today=TODAY)
    assert (outcome.updated, outcome.unchanged) == (0, 474)
    assert workshop.store.revision() == revision


def test_another_import_in_between_is_not_lost(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first list is being placed, a second one is committed."""
    second = write(tmp_path / "zweite.csv", ROWS[2:3])
    first = write(tmp_path / "erste.csv", ROWS[:1])
    place = Workshop.place
    calls = 0

    def placed_late(self: Workshop, table: object, *, today: dt.date) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            pipeline.import_file(second, self, today=today)
        return place(self, table, today=today)  # type: ignore[arg-type]

    monkeypatch.setattr(Workshop, "place", placed_late)
    report = pipeline.import_file(first, workshop, today=TODAY)
    assert report.revision == 2
    assert set(workshop.store.read().initiatives["name"]) == {ROWS[0][0], ROWS[2][0]}


def test_stated_municipality_is_compared_by_key(workshop: Workshop) -> None:
    gazetteer = workshop.territory.gazetteer
    assert gazetteer.municipality_candidates(Address(municipality="Mainz")) == {"07315000"}
    assert len(gazetteer.municipality_candidates(Address(municipality="Bauler"))) == 2


processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["geo_service.cli"])
KILLS = int(os.environ.get("GEO_SERVICE_TEST_COMMAND_KILLS", "8"))


def test_killed_import_leaves_the_old_revision_or_the_new_one(
    workshop: Workshop, sqlite_url: str, example_file: Path, tmp_path: Path
) -> None:
    """kill -9 of the command at random moments, from its start to after its end.

    Its process has the package already: a kill while Python imports it would prove nothing.
    """
    pipeline.import_file(example_file, workshop, today=TODAY)
    old = workshop.store.read().initiatives
    with example_file.open(encoding="utf-8-sig") as file:
        text = file.read()
    changed = tmp_path / example_file.name
    changed.write_text(text.replace("Mehrgenerationenhaus ", "MGH "), "utf-8")
    (tmp_path / "whole.db").write_bytes(Path(sqlite_url.removeprefix("sqlite:///")).read_bytes())
    copy = f"sqlite:///{tmp_path / 'whole.db'}"
    command = ("import", str(changed), "--database")
    began = time.monotonic()
    process = processes.Process(target=run_command, args=(*command, copy))
    process.start()
    process.join()
    whole_s = time.monotonic() - began
    assert process.exitcode == 0
    with Store(copy) as store:
        new = store.read().initiatives
    assert not new.equals(old)

    chance = random.Random(20261123)
    for _ in range(KILLS):
        process = processes.Process(target=run_command, args=(*command, sqlite_url))
        process.start()
        process.join(timeout=whole_s * chance.uniform(0, 1.1))
        process.kill()
        process.join()
        with Store(sqlite_url) as store:
            state = store.read()
        assert state.revision in {1, 2}
        expected = old if state.revision == 1 else new
        assert state.initiatives.equals(expected)

    whole = [sys.executable, "-m", "geo_service.cli", *command, sqlite_url]
    subprocess.run(whole, check=True, capture_output=True)
    with Store(sqlite_url) as store:
        assert store.revision() == 2
        assert store.read().initiatives.equals(new)
