"""The command line says what it did, and refuses clearly."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from geo_service.cli import cli, main, setup
from geo_service.store import Store

DOCUMENT = Path(__file__).resolve().parents[1] / "README.md"


Run = Callable[..., tuple[int, str, str]]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, output.out, output.err


@pytest.fixture
def geo(capsys: pytest.CaptureFixture[str], sqlite_url: str) -> Run:
    """Runs a command over a database of the test's own, empty at first."""
    return lambda *arguments: run(capsys, *arguments, "--database", sqlite_url)


@pytest.fixture(scope="module")
def example_database(tmp_path_factory: pytest.TempPathFactory, example_file: Path) -> Path:
    """A database with the example records, to be copied."""
    file = tmp_path_factory.mktemp("example") / "geo-service.db"
    with pytest.raises(SystemExit, match="0"):
        main(("import", str(example_file), "--database", f"sqlite:///{file}"))
    return file


@pytest.fixture
def filled(geo: Run, sqlite_url: str, example_database: Path) -> Run:
    """Runs a command over a database of the test's own that holds the example records."""
    shutil.copyfile(example_database, sqlite_url.removeprefix("sqlite:///"))
    return geo


def test_every_command_stands_in_the_readme() -> None:
    text = DOCUMENT.read_text("utf-8")
    for name in cli.commands:
        assert f"| `{name}" in text


def test_options_of_the_readme_are_those_of_the_commands() -> None:
    """Every option that a row of the table names is there; every option is in some document."""
    rows = re.findall(r"^\| `([a-z-]+)([^`]*)` \|(.*)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    told = {name: set(re.findall(r"--[a-z-]+", usage)) for name, usage, _ in rows}
    pages = "".join(page.read_text("utf-8") for page in sorted(DOCUMENT.parent.glob("docs/*.md")))
    documents = set(re.findall(r"--[a-z-]+", pages + DOCUMENT.read_text("utf-8")))
    for name, command in cli.commands.items():
        options = {text for parameter in command.params for text in parameter.opts}
        options = {text for text in options if text.startswith("--")}
        assert told[name] <= options, name
        assert options - {"--help", "--yes"} <= documents, name


def test_import_says_what_it_did(geo: Run, example_file: Path) -> None:
    code, out, _ = geo("import", str(example_file))
    assert code == 0
    assert "474 rows, 474 accepted (474 new, 0 updated, 0 unchanged), 0 rejected" in out
    assert "Points: 474 of 474 found" in out


def test_import_with_rejected_rows_exits_1_and_writes_the_issues(geo: Run, tmp_path: Path) -> None:
    file = tmp_path / "liste.csv"
    file.write_text(
        "name,category,city,postcode\nTreff,Begegnungsort,Mainz,55116\n"
        "Café,Begegnungscafé,Mainz,7017\n=cmd(),Raumstation,Mainz,\n",
        "utf-8",
    )
    issues = tmp_path / "issues.csv"
    code, out, err = geo("import", str(file), "--issues", str(issues))
    assert code == 1
    assert "1 accepted" in out
    assert "liste.csv, line 3, postcode: expected 5 digits, got '7017'" in err
    with issues.open(encoding="utf-8-sig", newline="") as stream:
        text = stream.read()
    rows = list(csv.reader(text.splitlines(), delimiter=";" if ";" in text else ","))
    assert rows[0] == ["file", "line", "column", "expected", "got", "severity"]
    assert {row[1] for row in rows[1:] if row[5] == "error"} == {"3", "4"}


def test_refused_file_leaves_an_earlier_report_of_issues_as_it_was(
    geo: Run, tmp_path: Path
) -> None:
    file = tmp_path / "bild.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    earlier, new = tmp_path / "earlier.csv", tmp_path / "new.csv"
    earlier.write_text("an earlier report", "utf-8")
    for issues in (earlier, new):
        arguments = ("import", str(file), "--issues", str(issues))
        assert geo(*arguments)[0] == 2
    assert earlier.read_text("utf-8") == "an earlier report"
    assert not new.exists()


def test_import_is_refused_before_it_begins_where_its_issues_cannot_be_written(
    geo: Run, sqlite_url: str, example_file: Path, tmp_path: Path
) -> None:
    issues = tmp_path / "no-such-folder" / "issues.csv"
    code, _, err = geo("import", str(example_file), "--issues", str(issues))
    assert code == 2
    assert "issues.csv: expected a place to write to, got: No such file or directory" in err
    with Store(sqlite_url) as store:
        store.migrate()
        assert store.revision() == 0


def test_refused_import_exits_2_changes_nothing_and_shows_no_traceback(
    geo: Run, sqlite_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "liste.csv"
    file.write_text("name,category,city\n,,\n", "utf-8")
    code, _, err = geo("import", str(file))
    assert code == 2
    assert "Refused:" in err
    assert "Traceback" not in err
    with Store(sqlite_url) as store:
        assert store.revision() == 0


def test_missing_file_and_wrong_database_are_clear(
    capsys: pytest.CaptureFixture[str], example_file: Path
) -> None:
    code, _, err = run(capsys, "import", "gibt-es-nicht.csv")
    assert code == 2
    assert "gibt-es-nicht.csv" in err
    code, _, err = run(capsys, "import", str(example_file), "--database", "mysql://x/y")
    assert code == 2
    assert "mysql" in err


def test_coverage_prints_the_worst_first_and_writes_files(filled: Run, tmp_path: Path) -> None:
    out_file = tmp_path / "kreise.geojson"
    arguments = ("--radius-km", "3")
    code, out, _ = filled("coverage", *arguments, "--out", str(out_file))
    assert code == 0
    features = json.loads(out_file.read_text("utf-8"))["features"]
    shares = {f["properties"]["name"]: f["properties"]["share_reached"] for f in features}
    assert len(shares) == 36
    worst, best = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    assert worst in out
    assert best not in out or out.index(worst) < out.index(best)
    assert "© GeoBasis-DE / BKG" in out
    assert "3 km Luftlinie" in out


def test_coverage_tells_range_judgement_and_who_counts(filled: Run, tmp_path: Path) -> None:
    code, out, _ = filled("coverage")
    assert code == 0
    assert re.search(r"\d,\d–\d\d,\d %", out)
    assert {"unsicher", "keine Lücke"} <= set(re.findall("unsicher|keine Lücke", out))
    file = tmp_path / "genau.csv"
    options = ("--precision", "address", "--current-months", "1", "--out", str(file))
    code, out, _ = filled("coverage", *options)
    assert code == 0
    assert "Genauigkeit: mindestens Adresse" in out
    assert "Aktualität: nur im letzten Monat" in out
    with file.open(encoding="utf-8", newline="") as stream:
        assert {row["places"] for row in csv.DictReader(stream)} == {"0"}


def test_coverage_counts_the_people_of_a_demand(filled: Run, tmp_path: Path) -> None:
    file = tmp_path / "probe.csv"
    file.write_text("Schlüssel;Anzahl\n07111;1234\n", "utf-8")
    options = ("--name", "Probe 2024", "--source-note", "© Amt", "--partial")
    filled("load-demand", str(file), *options)
    code, out, _ = filled("coverage", "--demand", "Probe 2024", "--all")
    assert code == 0
    assert re.search(r"Koblenz.* 1\.234 ", out)
    assert "Menschen: Probe 2024" in out
    assert "© Amt" in out
    code, _, err = filled("coverage", "--demand", "nie")
    assert (code, "expected a loaded one (probe-2024)" in err) == (2, True)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "gpkg"])
def test_coverage_writes_every_kind(filled: Run, ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"land.{ending}"
    code, _, _ = filled("coverage", "--level", "land", "--out", str(file))
    assert code == 0
    assert file.stat().st_size > 0


@pytest.mark.parametrize("radius", ["0", "-3", "nan", "100000"])
def test_impossible_radius_is_refused(filled: Run, radius: str) -> None:
    code, _, err = filled("coverage", "--radius-km", radius)
    assert code == 2
    assert f"--radius-km: expected over 0 to 100 kilometres, got {float(radius):g}" in err


def test_coverage_without_records_says_what_to_do(geo: Run, sqlite_url: str) -> None:
    code, _, err = geo("coverage")
    assert code == 2
    assert "import a file" in err
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()


def test_review_lists_every_reason_and_writes_them(filled: Run, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    code, out, _ = filled("review", "--out", str(file))
    assert code == 1
    assert "a street is stated, the point is only rough" in out
    lines = file.read_text("utf-8-sig").splitlines()
    assert len(lines) > 169  # every record with a street, and the probable duplicates


def test_review_without_findings_says_so_and_writes_the_headings_alone(
    geo: Run, tmp_path: Path
) -> None:
    places, file = tmp_path / "liste.csv", tmp_path / "review.csv"
    places.write_text("name,category,city,lon,lat\nTreff,Begegnungsort,Mainz,8.27,50.0\n", "utf-8")
    assert geo("import", str(places))[0] == 0
    code, out, _ = geo("review", "--out", str(file))
    assert code == 0
    assert "1 records, 0 to look at, 0 probable duplicates" in out
    assert "only the headings, because there is nothing to look at" in " ".join(out.split())
    assert file.read_text("utf-8-sig").splitlines() == ["reason,id,name,stated,detail,source_line"]


def test_commands_have_the_day_of_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server in UTC it is still yesterday for an hour or two after midnight."""
    for utc, day in (((11, 22, 23, 30), 23), ((11, 22, 22, 30), 22), ((6, 21, 22, 30), 22)):
        monkeypatch.setattr(setup, "now", lambda utc=utc: dt.datetime(2026, *utc, tzinfo=dt.UTC))
        assert setup.today().day == day


def test_load_population_moves_people_to_their_cells(filled: Run, tmp_path: Path) -> None:
    grid = tmp_path / "grid.csv"
    grid.write_text(
        "GITTER_ID_1km;x_mp_1km;y_mp_1km;Einwohner\n"
        "CRS3035RES1000mN2990000E4196000;4196500;2990500;1200\n",
        "utf-8",
    )
    code, out, _ = filled("load-population", str(grid))
    assert code == 0
    assert "1.200 people in 1 cells" in out
    assert "people of 2.299 municipalities without a populated cell count at their seats" in out
    code, out, _ = filled("coverage", "--level", "land")
    assert "Zensus 2022" in out


def test_erase_removes_a_record_for_good(filled: Run, sqlite_url: str) -> None:
    with Store(sqlite_url) as store:
        record = store.read().initiatives.iloc[0]
    code, out, _ = filled("erase", record["id"])
    assert (code, out) == (0, f"Erased {record['id']}; revision 2.\n")
    content = Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()
    assert record["name"].encode() not in content
    code, _, err = filled("erase", record["id"])
    assert code == 2
    assert f"expected a record's id, got '{record['id']}'; the address of" in err


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("256.1.1.1", "got '256.1.1.1' (Name or service not known); choose another with --host"),
        ("203.0.113.7", "got '203.0.113.7' (Cannot assign requested address); choose another"),
        ("nix.." + "x" * 70, "choose another with --host"),
        ("", "got none; choose one with --host"),
    ],
)
def test_serve_says_that_the_address_is_wrong_and_not_the_port(
    geo: Run, host: str, said: str
) -> None:
    code, _, err = geo("serve", "--host", host, "--port", "8399")
    assert code == 2
    assert "host: expected an address of this machine such as 127.0.0.1 or 0.0.0.0" in err
    assert said in err
    assert "--port" not in err


def test_serve_says_that_the_port_is_taken(geo: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = geo("serve", "--port", port)
    assert code == 2
    assert f"port {port} on 127.0.0.1: expected a free port" in err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("quatsch", "expected sqlite:///path/to/file or postgresql://"),
        ("http://x/y", "got one that begins with http://"),
        ("sqlite://", "state must outlive the process"),
        ("postgresql://x:geheim@127.0.0.1:1/y", "127.0.0.1:1"),
        ("sqlite:////", "expected a file, got a folder"),
    ],
)
def test_wrong_database_url_says_what_was_expected_and_no_password(
    capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    code, out, err = run(capsys, "review", "--database", url)
    assert code == 2
    assert said in err
    assert "geheim" not in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "a.csv: expected a row of headings, got an empty file"),
        ("a.csv", b"\n \n", "a.csv: expected a row of headings, got only blank rows"),
        ("a.csv", b"name,ort\nA\0B,Mainz\n", "a.csv: line 2: expected text, got a NUL byte"),
        ("a.csv", b"name\nA\n\x81\xff\x9d", "a.csv: line 3: expected Windows-1252 text, got the"),
        (
            "a.csv",
            b"name|category|city\nTreff|Begegnungsort|Mainz\n",
            "the headings are: 'name|category|city' (cells are separated by semicolon, comma",
        ),
        ("a.csv", b"name,art\nA,Sonstiges\n", "got none; the headings are: 'name', 'art'\n"),
        ("a.ods", b"PK", "a.ods: expected a file ending in .csv, .xlsx or .geojson, got '.ods'"),
    ],
)
def test_file_that_is_no_list_says_where_what_was_expected_and_what_came(
    geo: Run, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    code, _, err = geo("import", str(file))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_folder_is_no_file(geo: Run, tmp_path: Path) -> None:
    code, _, err = geo("import", str(tmp_path))
    assert code == 2
    assert "is a directory" in err
