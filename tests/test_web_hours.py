"""Opening hours on pages: what they say at which minute, and what they never say."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from web_helpers import fill, initiatives_of, place, small_land, small_territory

from geo_service.config import Settings
from geo_service.opening_hours import TIME_ZONE, parse_hours, state_at
from geo_service.snapshot import SnapshotHolder
from geo_service.store import Store
from geo_service.web import create_app
from geo_service.web.languages import LANGUAGES
from geo_service.web.places import read_places
from geo_service.web.timetable import Timetable

TEXTS = (
    "Mo 9-12 Uhr",
    "Fr, Sa 20-2 Uhr",
    "Café Sa 14-18 (Angabe 2020)",
    "1. und 5. Sa im Monat 10-12",
    "täglich ab 16 Uhr",
    "Mo-So 0-24 Uhr",
    "werktags 9-17",
    "nach Absprache",
    None,
)
SATURDAY = dt.date(2026, 11, 28)
"""The fourth of its month, before the Sunday that is no holiday."""


class Clock:
    """The time that an application is told."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 11, 23, 10, tzinfo=TIME_ZONE)

    def set(self, text: str) -> None:
        self.now = dt.datetime.fromisoformat(text).replace(tzinfo=TIME_ZONE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    rows = [
        place(number, name=f"Treff {number}", opening_hours=text)
        for number, text in enumerate(TEXTS)
    ]
    with Store(f"sqlite:///{tmp_path / 'hours.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(store: Store, clock: Clock) -> FlaskClient:
    return new_app(store, clock).test_client()


def new_app(store: Store, clock: Clock) -> Flask:
    """An application that has kept nothing yet."""
    holder = SnapshotHolder(store, small_territory(), min_interval_s=0.0)
    return create_app(holder, Settings(tiles_url="off"), now=lambda: clock.now)


def said_on_cards(page: str) -> dict[str, str]:
    """What each card says about today, by the name of its place."""
    cards = re.findall(r'<li class="card".*?</li>', page, re.DOTALL)
    found = {}
    for card in cards:
        name = re.search(r"(Treff \d+)</a>", card)
        said = re.search(r'<span class="opening[^"]*">(.*?)</span>', card)
        if name and said:
            found[name[1]] = unescape(re.sub("<[^>]*>", "", said[1]))
    return found


def timetable(text: str, today: dt.date) -> Timetable:
    rows = initiatives_of([place(1, opening_hours=text)])
    return Timetable(read_places(rows, small_land(), today=today), today)


def holds(text: str, today: dt.date, hour: float) -> tuple[list[str], list[str]]:
    """The filters that show a place, and those that say it is not certain."""
    times, minute = timetable(text, today), round(hour * 60)
    shown = [time for time, mask in times.masks(minute).items() if mask[0]]
    return shown, [time for time in times.masks(minute) if times.silent(time, minute)[0]]


# ------------------------------------------------------------------- pages and the clock

MOMENTS = (
    "2026-11-23T08:59:59", "2026-11-23T09:00", "2026-11-23T12:00", "2026-11-24T00:00",
    "2026-11-28T01:59", "2026-11-28T02:00", "2026-12-25T10:00",
)  # fmt: skip
ADDRESSES = (
    "/", "/en/?zeit=jetzt", "/?zeit=heute", "/?zeit=wochenende&unbekannt=zeit",
    "/?nah=7.05,50.05", "/ar/?ort=Aheim", "/daten/orte.geojson?zeit=jetzt", "/daten/orte.geojson",
    "/gebiete/07131", "/orte/ort-2", "/handzettel?zeit=jetzt", "/embed/liste",
    "/embed/orte.geojson",
)  # fmt: skip


def test_kept_page_is_at_every_minute_what_a_new_process_would_write(
    store: Store, clock: Clock, client: FlaskClient
) -> None:
    seen: dict[str, set[bytes]] = {address: set() for address in ADDRESSES}
    for moment in (*MOMENTS, *MOMENTS[:3]):
        clock.set(moment)
        fresh = new_app(store, clock).test_client()
        for address in ADDRESSES:
            kept, new = client.get(address), fresh.get(address)
            assert (kept.status_code, kept.data) == (200, new.data), (moment, address)
            assert kept.headers["ETag"] == new.headers["ETag"]
            assert "no-cache" in kept.headers["Cache-Control"]
            seen[address].add(kept.data)
    assert min(map(len, seen.values())) > 2  # else nothing would have been shown


def test_browser_that_asks_again_is_told_when_a_place_has_closed(
    clock: Clock, client: FlaskClient
) -> None:
    clock.set("2026-11-23T11:58")
    tag = {"If-None-Match": client.get("/").headers["ETag"]}
    clock.set("2026-11-23T11:59:59")
    assert client.get("/", headers=tag).status_code == 304
    clock.set("2026-11-23T12:00")
    assert client.get("/", headers=tag).status_code == 200


def test_cards_on_a_saturday(clock: Clock, client: FlaskClient) -> None:
    clock.set("2026-11-28T15:00")
    assert said_on_cards(client.get("/").text) == {
        "Treff 1": "Heute 20:00–02:00",
        "Treff 2": "Jetzt geöffnet bis 18:00 Uhr (Angabe 2020) · Café",
        "Treff 4": "Heute ab 16:00 Uhr",
        "Treff 5": "Heute 00:00–24:00",
    }
    clock.set("2026-11-29T01:00")
    assert said_on_cards(client.get("/").text)["Treff 1"] == "Jetzt geöffnet bis 02:00 Uhr"


def test_midnight_is_the_end_of_the_day_and_not_its_beginning(tmp_path: Path, clock: Clock) -> None:
    clock.set("2026-11-23T20:00")
    with Store(f"sqlite:///{tmp_path / 'midnight.db'}") as store:
        store.migrate()
        fill(store, initiatives_of([place(0, name="Treff 0", opening_hours="Mo 18-24 Uhr")]))
        client = new_app(store, clock).test_client()
        assert said_on_cards(client.get("/").text) == {"Treff 0": "Jetzt geöffnet bis 24:00 Uhr"}
        assert "18:00–24:00" in client.get("/orte/ort-0").text


# ------------------------------------------------------------------ now, today, weekend


@pytest.mark.parametrize(
    ("text", "hour", "shown", "silent"),
    [
        # An offer's hours: whether the house is open besides, nobody knows.
        ("Café Sa 14-18", 11, ["heute", "wochenende"], ["jetzt"]),
        ("Café Sa 14-18", 15, ["jetzt", "heute", "wochenende"], []),
        ("Café Sa 14-18", 19, [], ["jetzt", "heute", "wochenende"]),
        ("Café Do 14-18", 11, [], ["jetzt", "heute", "wochenende"]),
        ("Sa 14-18", 11, ["heute", "wochenende"], []),
        ("Sa 14-18", 19, [], []),
        ("Sa, So 14-18", 19, ["wochenende"], []),
        ("Sa ab 14 Uhr", 11, ["heute", "wochenende"], []),
        ("Sa ab 14 Uhr", 15, [], ["jetzt", "heute", "wochenende"]),
        ("werktags 9-17", 11, [], ["jetzt", "heute", "wochenende"]),
        ("werktags 9-17", 18, [], []),
        ("Fr 20-2", 1, ["jetzt", "heute", "wochenende"], []),
        ("Fr 20-2", 2, [], []),
        ("1. Sa im Monat 14-18", 11, [], []),
        ("letzter Sa im Monat 14-18", 11, ["heute", "wochenende"], []),
        ("24/7", 23.99, ["jetzt", "heute", "wochenende"], []),
    ],
)
def test_filters_on_a_saturday(text: str, hour: float, shown: list[str], silent: list[str]) -> None:
    assert holds(text, SATURDAY, hour) == (shown, silent)


@pytest.mark.parametrize(
    ("text", "day", "hour", "shown", "silent"),
    [
        ("So 10-12", "2026-11-29", 11, ["jetzt", "heute", "wochenende"], []),
        ("So 10-12", "2026-11-29", 13, [], []),
        ("Sa 20-2", "2026-11-29", 1, ["jetzt", "heute", "wochenende"], []),
        ("Mo-So 10-12", "2026-12-25", 11, ["wochenende"], ["jetzt", "heute"]),
        ("So 10-12", "2026-12-25", 11, ["wochenende"], []),
        ("Mo-So 10-12, feiertags geschlossen", "2026-12-25", 11, ["wochenende"], []),
        ("Sa 10-12, feiertags 14-16", "2026-12-26", 15, ["jetzt", "heute", "wochenende"], []),
        ("Mo-Fr 10-12", "2026-12-24", 11, [], ["jetzt", "heute"]),
        ("5. Mo im Monat 10-12", "2026-11-30", 11, ["jetzt", "heute"], []),
        ("5. Mo im Monat 10-12", "2026-11-23", 11, [], []),
    ],
)
def test_filters_on_other_days(
    text: str, day: str, hour: float, shown: list[str], silent: list[str]
) -> None:
    assert holds(text, dt.date.fromisoformat(day), hour) == (shown, silent)


@pytest.mark.parametrize("day", ["2026-11-28", "2026-11-29", "2026-12-24", "2026-12-26"])
def test_filter_now_says_what_the_rules_say_at_every_quarter_of_an_hour(day: str) -> None:
    midnight = dt.datetime.fromisoformat(day).replace(tzinfo=TIME_ZONE)
    for text in filter(None, TEXTS):
        times, rule = timetable(text, midnight.date()), parse_hours(text).rule
        for minute in range(0, 24 * 60, 15):
            now = midnight + dt.timedelta(minutes=minute)
            shown, silent = times.masks(minute)["jetzt"][0], times.silent("jetzt", minute)[0]
            said = "open" if shown else "unknown" if silent else "closed"
            assert said == (state_at(rule, now) if rule else "unknown"), (text, now)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-03-29T01:59:59", True),
        ("2026-03-29T03:00", True),
        ("2026-03-29T04:00", False),
        ("2026-10-25T02:30", True),
        ("2026-10-25T03:59", True),
        ("2026-10-25T04:00", False),
    ],
)
def test_nights_on_which_clocks_change(moment: str, shown: bool) -> None:
    now = dt.datetime.fromisoformat(moment)
    found = timetable("Sa 22-4 Uhr", now.date()).masks(now.hour * 60 + now.minute)
    assert found["jetzt"].tolist() == [shown]


# ------------------------------------------------------------------------ never "closed"

KEPT = (
    "nach Absprache", "Mi", "monatlich Mi 16-18", "Mo-Fr 10-12 außer Ferien",
    "Café täglich 8-16; Mittagstisch Do 12-13", "Mo 10-12 (Frauen)",
)  # fmt: skip


def test_text_that_is_not_certain_is_shown_as_it_is_and_never_as_closed(
    tmp_path: Path, clock: Clock
) -> None:
    rows = [place(number, opening_hours=text) for number, text in enumerate((*KEPT, None))]
    closed = re.compile("geschlossen|closed|fermé|зачинено|закрыто|مغلق|بسته|kapalı", re.IGNORECASE)
    with Store(f"sqlite:///{tmp_path / 'kept.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        client = new_app(store, clock).test_client()
        for language in LANGUAGES:
            addresses = [f"/{language}/orte/ort-{number}" for number in range(len(rows))]
            addresses += [f"/{language}/", f"/{language}/handzettel"]
            pages = {address: client.get(address).text for address in addresses}
            for address, page in pages.items():
                main = page.partition("<main")[2].partition("</main>")[0] or page
                assert not closed.search(main), address
                assert "openingHours" not in page
            points = client.get(f"/{language}/daten/orte.geojson").text
            for number, text in enumerate(KEPT):
                assert f">{text}</bdi>" in pages[f"/{language}/orte/ort-{number}"]
                assert f">{text}</bdi>" in pages[f"/{language}/"]
                assert f">{text}</bdi>" in pages[f"/{language}/handzettel"]
                assert text in points
        asked = "/api/v1/initiatives?open_at=2026-11-23T10:00:00%2B01:00"
        counts = [
            len(client.get(asked + more).json["features"]) for more in ("", "&unknown=open_at")
        ]
    assert counts == [0, len(rows)]


def test_days_of_a_place_are_closed_only_where_that_is_certain(
    clock: Clock, client: FlaskClient
) -> None:
    def week(number: int) -> list[str]:
        rows = re.findall(r"<tr.*?<td>(.*?)</td></tr>", client.get(f"/orte/ort-{number}").text)
        return [unescape(row) for row in rows]

    clock.set("2026-11-23T10:00")
    assert week(0) == ["09:00–12:00", *6 * ["geschlossen"]]
    nothing = "Dazu wissen wir nichts."
    assert week(2) == [*5 * [nothing], "14:00–18:00", nothing]
    assert week(5) == 7 * ["00:00–24:00"]
    assert week(6) == [*5 * ["09:00–17:00"], "vielleicht 09:00–17:00", "geschlossen"]
    assert week(7) == []
    assert "Information from 2020. " in client.get("/en/orte/ort-2").text
    clock.set("2026-12-24T10:00")
    assert week(5)[:4] == [*3 * ["vielleicht 00:00–24:00"], "00:00–24:00"]


def test_date_that_no_calendar_has_breaks_no_page(tmp_path: Path, clock: Clock) -> None:
    rows = [place(0, opening_hours="Mo 9-12 (Stand 31.2.2021)")]
    with Store(f"sqlite:///{tmp_path / 'dated.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(rows))
        client = new_app(store, clock).test_client()
        for address in ("/", "/en/", "/orte/ort-0", "/handzettel", "/daten/orte.geojson"):
            answer = client.get(address)
            assert answer.status_code == 200
            assert "Mo 9-12 (Stand 31.2.2021)" in answer.text


# -------------------------------------------------------------------- whose words they are


def test_record_s_own_words_beside_our_hours_are_marked_as_german(
    clock: Clock, client: FlaskClient
) -> None:
    clock.set("2026-11-28T15:00")
    own = '<bdi lang="de">Café</bdi>'
    for language in set(LANGUAGES) - {"de"}:
        for address in ("/", "/?nah=7.05,50.05", "/orte/ort-2", "/handzettel"):
            assert own in client.get(f"/{language}{address}").text, (language, address)
        found = json.loads(client.get(f"/{language}/daten/orte.geojson").data)["features"]
        (cafe,) = (one["properties"] for one in found if one["properties"]["name"] == "Treff 2")
        assert cafe["hours"] == "Café"
        assert not re.search("Café|Uhr", cafe["opening"])
