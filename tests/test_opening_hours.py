"""German opening hours: what is read, what is kept as text, and what holds when."""

from __future__ import annotations

import csv
import datetime as dt
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from opening_hours import OpeningHours, validate

from geo_service import config
from geo_service.errors import InputError
from geo_service.opening_hours import (
    REASONS,
    TIME_ZONE,
    intervals_on,
    next_change,
    opens_on,
    parse_hours,
    public_holidays,
    state_at,
    times_on,
    unusual_days,
)

ROOT = Path(__file__).resolve().parents[1]
CORPUS = Path(__file__).parent / "fixtures" / "opening_hours" / "corpus.csv"
MONDAY = dt.date(2026, 11, 23)
"""The first day of a week without any holiday."""


def corpus() -> list[dict[str, str | None]]:
    with CORPUS.open(encoding="utf-8", newline="") as lines:
        return [{key: cell or None for key, cell in row.items()} for row in csv.DictReader(lines)]


def at(text: str, *, fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=TIME_ZONE, fold=fold)


def shown(rule: str, date: str) -> list[str]:
    return [f"{a:%H:%M}-{b:%H:%M}" for a, b in intervals_on(rule, dt.date.fromisoformat(date))]


# -- the corpus -------------------------------------------------------------------------------


@pytest.mark.parametrize("row", corpus(), ids=lambda row: row["text"])
def test_corpus_text_ends_as_expected(row: dict[str, str | None]) -> None:
    hours = parse_hours(row["text"] or "")
    got = {field: getattr(hours, field) for field in row}
    assert got == row


def test_corpus_has_every_text_of_the_example_records() -> None:
    path = config.data_dir() / "initiativen" / "initiativen.csv"
    with path.open(encoding="utf-8-sig", newline="") as lines:
        texts = {row["Öffnungszeiten"] for row in csv.DictReader(lines, delimiter=";")} - {""}
    assert texts == {row["text"] for row in corpus()}


def documented(heading: str) -> dict[str, str]:
    """The first two columns of the table below a heading of the documentation."""
    page = (ROOT / "docs" / "opening-hours.md").read_text("utf-8")
    lines = page.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:3] for line in lines if line.startswith("| `")]
    return {left.strip(): right.strip().replace("\\|", "|") for left, right in rows}


def test_documentation_tells_what_texts_become() -> None:
    table = documented("What is read")
    assert len(table) > 10
    for texts, rule in table.items():
        for text in re.findall("`(.*?)`", texts):
            assert f"`{parse_hours(text).rule}`" == rule


def test_documentation_explains_every_reason() -> None:
    table = documented("Why a text is kept")
    assert [f"`{reason}`" for reason in REASONS] == list(table)
    for reason, examples in table.items():
        for text in re.findall("`(.*?)`", examples):
            assert f"`{parse_hours(text).reason}`" == reason


# -- reading ----------------------------------------------------------------------------------

READ = {
    "Di 14:00-18:00": "Tu 14:00-18:00",
    "jeden 2. und 4. Montag 16:30-18:30": "Mo[2,4] 16:30-18:30",
    "Mo-Fr 10-12 u. 14-16 Uhr, Do bis 18": "Mo-We,Fr 10:00-12:00,14:00-16:00; "
    "Th 10:00-12:00,14:00-18:00",
    "täglich 9-17": "Mo-Su 09:00-17:00",
    "Mo+Mi 9–12": "Mo,We 09:00-12:00",
    "1. Sa im Monat 15-17": "Sa[1] 15:00-17:00",
    "jeden ersten Samstag im Monat von 14 bis 17 Uhr": "Sa[1] 14:00-17:00",
    "am letzten Freitag des Monats 18-22 Uhr": "Fr[-1] 18:00-22:00",
    "1.-3. Mo 10-12": "Mo[1,2,3] 10:00-12:00",
    "jeden 2. Di im Monat 10-12": "Tu[2] 10:00-12:00",
    "monatlich am 1. Mo 15-17": "Mo[1] 15:00-17:00",
    "werktags 9-17": "Mo-Fr 09:00-17:00; Sa 09:00-17:00 unknown; PH off",
    "werktags 9-17, Sa 10-12": "Mo-Fr 09:00-17:00; Sa 10:00-12:00; PH off",
    "wochentags 8-16": "Mo-Fr 08:00-16:00; Sa 08:00-16:00 unknown",
    "unter der Woche 8-16": "Mo-Fr 08:00-16:00",
    "jeden Donnerstag um 18 Uhr": "Th 18:00+",
    "07-09 Uhr Mo": "Mo 07:00-09:00",
    "Mo 7:30-9": "Mo 07:30-09:00",
    "Mo 7-12": "Mo 07:00-12:00",
    "jeden 1. Mo und jeden Mi 10-12": "Mo[1] 10:00-12:00; We 10:00-12:00",
    "Mi und 1. Mo 10-12": "Mo[1] 10:00-12:00; We 10:00-12:00",
    # Said of fewer days: both as "also" and as "instead" these hours hold.
    "Mo-Fr 9-12, Di 9-12 u. 14-17": "Mo,We-Fr 09:00-12:00; Tu 09:00-12:00,14:00-17:00",
    "Di 9-12 u. 14-17, Mo-Fr 9-12": "Mo,We-Fr 09:00-12:00; Tu 09:00-12:00,14:00-17:00",
    "Mo-Fr 9-12, Fr 10-14": "Mo-Th 09:00-12:00; Fr 10:00-14:00, Fr 09:00-10:00 unknown",
    "Di 9-12, Mo-Fr 14-17": "Mo,We-Fr 14:00-17:00; Tu 09:00-12:00,14:00-17:00",
    "Sa-So 10-12, So 14-16": "Sa 10:00-12:00; Su 10:00-12:00,14:00-16:00",
    # These may be meant instead of the day's usual hours.
    "Mo-Fr 14-17, Di 9-12": "Mo,We-Fr 14:00-17:00; Tu 09:00-12:00, Tu 14:00-17:00 unknown",
    "täglich 9-12, So 14-16": "Mo-Sa 09:00-12:00; Su 14:00-16:00, Su 09:00-12:00 unknown",
    "am Wochenende 10-18 Uhr": "Sa-Su 10:00-18:00",
    "Di ab 15 Uhr": "Tu 15:00+",
    "Mi 15:00": "We 15:00+",
    "Öffnungszeiten: Montag bis Freitag von 8 bis 16 Uhr": "Mo-Fr 08:00-16:00",
    "Mo. - Fr. 9.00 - 12.00 Uhr u. Do. 14.00 - 18.00 Uhr.": "Mo-We,Fr 09:00-12:00; "
    "Th 09:00-12:00,14:00-18:00",
    "10-12 Uhr Mo-Fr": "Mo-Fr 10:00-12:00",
    "Mo (10-12 Uhr), Di (14-16 Uhr)": "Mo 10:00-12:00; Tu 14:00-16:00",
    "Mo vormittags 9-12, nachmittags 14-16": "Mo 09:00-12:00,14:00-16:00",
    "Mo-Do: 9:00 - 12:00 | 13:00 - 16:00": "Mo-Th 09:00-12:00,13:00-16:00",
    "Fr 20-2 Uhr": "Fr 20:00-02:00",
    "Fr-Mo 10-12": "Mo,Fr-Su 10:00-12:00",
    "Mo-Fr 9-17, Fr bis 13 Uhr": "Mo-Th 09:00-17:00; Fr 09:00-13:00",
    "Mo-Fr 9-17, Mi geschlossen": "Mo-Tu,Th-Fr 09:00-17:00",
    "Mo-Fr 9-17 (außer Mi)": "Mo-Tu,Th-Fr 09:00-17:00",
    "täglich außer montags 10-18 Uhr": "Tu-Su 10:00-18:00",
    "täglich 10-18 Uhr (außer an Feiertagen)": "Mo-Su 10:00-18:00; PH off",
    "Mo-Fr 10-12, feiertags geschlossen": "Mo-Fr 10:00-12:00; PH off",
    "Mo-Fr 9-12 und 14-17, Mi geschlossen": "Mo-Tu,Th-Fr 09:00-12:00,14:00-17:00",
    "Sonn- und Feiertage 14-18": "Su 14:00-18:00; PH 14:00-18:00",
    "So und feiertags 14-18": "Su 14:00-18:00; PH 14:00-18:00",
    "rund um die Uhr": "24/7",
    "Mo 10-12 und nach Vereinbarung": "Mo 10:00-12:00 || unknown",
    "Offener Treff: Mo 10-12": "Mo 10:00-12:00 || unknown",
    # After ";" the Tuesday would lose what began on Monday evening.
    "Mo 22-6, Di 10-12": "Mo 22:00-06:00, Tu 10:00-12:00",
}  # fmt: skip


@pytest.mark.parametrize(("text", "rule"), READ.items(), ids=READ)
def test_certain_text_becomes_a_rule(text: str, rule: str) -> None:
    assert parse_hours(text).rule == rule
    assert parse_hours(text).reason is None


KEPT = {
    " ": "empty",
    "Mo 10-12 " * 50: "too_long",
    "Mi": "no_times",
    "letzter Freitag": "no_times",
    "Do bis 18": "no_times",
    "Mo geschlossen": "no_times",
    "ab 15:00": "no_days",
    "10-12": "no_days",
    "Mo-Fr 10-12 14-16": "no_days",
    "14-tägig Di 10-12": "irregular",
    "alle 14 Tage Mo 10-12": "irregular",
    "monatlich Mi 16-18": "irregular",
    "jeden 2. Di 10-12": "irregular",
    "jede zweite Woche Mo 10-12": "irregular",
    "jeden Mo und jeden zweiten Mi 10-12": "irregular",
    "im Mai Mo 10-12": "season",
    "Mo-Fr 10-12 außer Ferien": "school_holidays",
    "Sa 24.12. 10-12": "dates",
    "geplant: Mo 10-12": "planned",
    "Mo ca. 10-12": "approximate",
    "nach Vereinbarung": "by_appointment",
    "Mo 10-12, nach Vereinbarung": "by_appointment",
    "Mo 10-12 (telefonisch)": "by_phone",
    "Mo 10-12 (Frauen)": "for_some",
    "Do 14-18 Café": "several_offers",
    "Mo 3-5": "ambiguous_time",
    "Mo nachmittags 2-4": "ambiguous_time",
    "Mo abends 7-9": "ambiguous_time",
    "Di 7-9 Uhr": "ambiguous_time",
    "Mo-Fr 14-17, Di 9-12, Di 15-16": "contradiction",
    "Mo-Fr 9-17, Fr 9-13, Fr bis 18": "contradiction",
    "1. Mo und Mi im Monat 10-12": "not_understood",
    "letzter Freitag und Samstag im Monat 18-22": "not_understood",
    "Mo 9-12, Di 9-12 …": "not_understood",
    "Mo 9-12, Di 9-12 Uhr...": "not_understood",
    "Mo 9-12 und": "not_understood",
    "Nächstes Treffen: Mo 18-20": "not_understood",
    "Annahme Kleiderkammer Mo 9-11": "not_understood",
    "Videosprechstunde Mo 10-12": "by_phone",
    "Frauencafé Mi 10-12": "for_some",
    "Seniorentreff jeden Mittwoch 14-17": "for_some",
    "Mo 12-10": "contradiction",
    "Mo 10-12, 11-13": "contradiction",
    "Mo ab 14, Mo 16-18": "contradiction",
    "4. und letzter Mo 10-12": "contradiction",
    "Mo geschlossen, Mo 10-12": "contradiction",
    "Mo 25-26": "not_understood",
    "Mo 10-12:75": "not_understood",
    "Mi 15": "not_understood",
    "Mo-Fr 9-12, 14-17 (außer Mi)": "contradiction",
    "Mo-Fr 9-12; Mo-Fr 14-17 (Mi geschlossen)": "contradiction",
    "Mo-Fr 9-12 (außer Mi); Mo-Fr 14-17": "contradiction",
    "geschlossen Fr So 18:00": "not_understood",
    "täglich 9-17 außer Mi Do 10-12": "not_understood",
    "Mo-Fr 9-17, außer Mi 10-12": "not_understood",
    "nicht Mo 10-12": "not_understood",
    "kein Treff Mo 10-12": "not_understood",
    "Mo 10-12 geschlossen": "not_understood",
    "Mo 10-12 geschlossen Di": "not_understood",
    "Mo-Fr 10-12 ☎": "not_understood",
}


@pytest.mark.parametrize(("text", "reason"), KEPT.items(), ids=KEPT)
def test_uncertain_text_is_kept_with_its_reason(text: str, reason: str) -> None:
    hours = parse_hours(text)
    assert (hours.rule, hours.reason, hours.text) == (None, reason, text)


def test_every_reason_is_shown_by_an_example() -> None:
    assert set(KEPT.values()) == set(REASONS)


@pytest.mark.parametrize(
    ("text", "as_of", "note"),
    [
        ("Mo 10-12 (Angabe 2020)", "2020", None),
        ("Mo 10-12 (Stand: 03/2021)", "2021-03", None),
        ("Mo 10-12, Stand 12.3.2021", "2021-03-12", None),
        ("Mo 10-12 (Angabe März 2021)", "2021-03", None),
        ("Mo 10-12 (Stand 2021-03-12)", "2021-03-12", None),
        ("Mo 10-12 (Angabe um 2016)", "2016", "Angabe um 2016"),
        ("Mo 10-12 (Angabe älter)", None, "Angabe älter"),
        ("Mo 10-12 (alte Angabe)", None, "alte Angabe"),
        ("Mo 10-12 (Angabe 2020); Di 9-11 (Angabe 2016)", "2016", None),
        ("Mo 10-12 und nach Absprache (Angabe 2020)", "2020", "nach Absprache"),
    ],
)
def test_date_of_the_source_is_told_apart_from_the_hours(
    text: str, as_of: str, note: str | None
) -> None:
    hours = parse_hours(text)
    assert hours.rule is not None
    assert (hours.as_of, hours.note) == (as_of, note)


@pytest.mark.parametrize(
    ("text", "dated_in_note"),
    [
        ("Mo 10-12 (Angabe um 2016)", True),
        ("Mo 10-12 (Stand ca. 2016)", True),
        ("Mo 10-12 (Angabe 2016, alte Angabe)", False),
        ("Mo 10-12 (Angabe bei Facebook); Di 9-11 (Angabe 2016)", False),
        ("Mo 10-12 (Angabe 2012); Di 9-11 (Angabe um 2016)", False),
        ("Mo 10-12 (alte Angabe)", False),
        ("Mo 10-12", False),
    ],
)
def test_a_note_tells_the_date_only_where_it_has_it(text: str, dated_in_note: bool) -> None:
    assert parse_hours(text).dated_in_note is dated_in_note


@pytest.mark.parametrize(
    "text",
    [
        "Mo 10-12 (Stand 13/2021)",
        "Mo 10-12, Stand 40.3.2021",
        "Mo 10-12 (Stand 31.2.2021)",
        "Mo 10-12 (Stand 2021-02-29)",
    ],
)
def test_impossible_date_is_no_date(text: str) -> None:
    assert (parse_hours(text).rule, parse_hours(text).as_of) == (None, None)


def test_kept_text_still_tells_the_date_of_its_source() -> None:
    assert parse_hours("Mi (Angabe 2022)").as_of == "2022"


def test_named_offer_is_told_and_nothing_is_known_outside_its_hours() -> None:
    hours = parse_hours("Café Asyl Do 14:00-18:00")
    assert hours.offer == "Café Asyl"
    assert hours.rule is not None
    assert state_at(hours.rule, at("2026-11-26T15:00")) == "open"
    assert state_at(hours.rule, at("2026-11-26T19:00")) == "unknown"
    assert opens_on(hours.rule, MONDAY) is None


# -- two readings -----------------------------------------------------------------------------


def test_where_also_and_instead_differ_the_state_is_unknown() -> None:
    rule = parse_hours("Mo-Fr 9-17, Fr 9-13").rule
    assert rule is not None
    assert state_at(rule, at("2026-11-27T12:00")) == "open"
    assert state_at(rule, at("2026-11-27T14:00")) == "unknown"
    assert state_at(rule, at("2026-11-27T18:00")) == "closed"
    assert state_at(rule, at("2026-11-26T14:00")) == "open"


@pytest.mark.parametrize("text", ["Di 17-19; 1. Di im Monat 9-11", "1. Di im Monat 9-11; Di 17-19"])
def test_special_hours_of_one_tuesday_make_its_usual_hours_unknown(text: str) -> None:
    rule = parse_hours(text).rule
    assert rule is not None
    assert state_at(rule, at("2026-12-01T10:00")) == "open"
    assert state_at(rule, at("2026-12-01T18:00")) == "unknown"
    assert state_at(rule, at("2026-12-08T10:00")) == "closed"
    assert state_at(rule, at("2026-12-08T18:00")) == "open"


# -- evaluation -------------------------------------------------------------------------------


def test_second_and_fourth_monday() -> None:
    rule = "Mo[2,4] 16:30-18:30"
    november = [dt.date(2026, 11, day) for day in range(1, 31)]
    assert [day.day for day in november if opens_on(rule, day)] == [9, 23]


def test_state_is_closed_at_the_very_end_and_open_at_the_very_start() -> None:
    rule = "Tu 14:00-18:00"
    assert state_at(rule, at("2026-11-24T14:00")) == "open"
    assert state_at(rule, at("2026-11-24T17:59:59")) == "open"
    assert state_at(rule, at("2026-11-24T18:00")) == "closed"


def test_moment_of_another_time_zone_is_converted() -> None:
    winter = dt.datetime(2026, 11, 24, 13, 30, tzinfo=dt.UTC)
    summer = dt.datetime(2026, 7, 21, 12, 30, tzinfo=dt.UTC)
    for moment in (winter, summer):
        assert state_at("Tu 14:00-14:45", moment) == "open"
        assert state_at("Tu 14:00-14:45", moment - dt.timedelta(hours=1)) == "closed"


def test_open_end_is_unknown_after_the_start_but_the_day_is_certain() -> None:
    rule = "Tu 10:00-12:00,15:00+"
    states = [state_at(rule, at(f"2026-11-24T{hour}:30")) for hour in ("09", 10, 12, 15, 23)]
    assert states == ["closed", "open", "closed", "unknown", "unknown"]
    assert state_at(rule, at("2026-11-25T00:30")) == "closed"
    assert [time.open_end for time in times_on(rule, dt.date(2026, 11, 24))] == [False, True]
    assert shown(rule, "2026-11-24") == ["10:00-12:00"]
    assert opens_on("Tu 15:00+", dt.date(2026, 11, 24)) is True
    assert opens_on("Tu 15:00+", dt.date(2026, 11, 25)) is False


@pytest.mark.parametrize(
    "rule", ["Mo 10:00-12:00; Tu 15:00+", "Tu 15:00+; Mo 10:00-12:00", "Tu 15:00+, Mo 10:00-12:00"]
)
def test_open_end_leaves_other_days_alone(rule: str) -> None:
    assert state_at(rule, at("2026-11-23T11:00")) == "open"
    assert state_at(rule, at("2026-11-24T16:00")) == "unknown"


def test_open_end_in_a_rule_too_involved_is_unknown_throughout() -> None:
    rule = 'Mo 10:00-12:00 "Café", Mo 15:00+'
    assert state_at(rule, at("2026-11-23T11:00")) == "unknown"


def test_hours_past_midnight_belong_to_the_day_on_which_they_began() -> None:
    rule = "Mo 22:00-02:00, Tu 10:00-12:00"
    assert shown(rule, "2026-11-23") == ["22:00-02:00"]
    assert shown(rule, "2026-11-24") == ["10:00-12:00"]
    assert state_at(rule, at("2026-11-24T01:59")) == "open"
    assert state_at(rule, at("2026-11-24T02:00")) == "closed"
    assert next_change(rule, at("2026-11-23T23:00")) == at("2026-11-24T02:00")
    assert opens_on("Mo 22:00-02:00", dt.date(2026, 11, 24)) is False


def test_always_open_is_open_every_day_holidays_included() -> None:
    assert shown("24/7", "2026-12-25") == ["00:00-00:00"]
    assert state_at("24/7", at("2026-12-25T03:00")) == "open"
    assert opens_on("24/7", dt.date(2026, 12, 25)) is True
    assert next_change("24/7", at("2026-12-25T03:00")) is None


def test_whole_days_are_cut_at_midnight() -> None:
    rule = "Mo,Tu 00:00-24:00"
    assert shown(rule, "2026-11-23") == shown(rule, "2026-11-24") == ["00:00-00:00"]
    assert next_change(rule, at("2026-11-23T12:00")) == at("2026-11-25T00:00")


def test_next_change_of_a_rare_day_is_found() -> None:
    assert next_change("Sa[5] 10:00-12:00", at("2026-11-01T12:00")) == at("2027-01-30T10:00")
    assert next_change("Su[1] 10:00-12:00", at("2026-11-02T12:00")) == at("2026-12-06T10:00")


def test_rule_that_never_opens_has_no_next_change() -> None:
    assert next_change("off", at("2026-11-23T12:00")) is None


# -- holidays ---------------------------------------------------------------------------------


def test_holidays_of_rheinland_pfalz_2026() -> None:
    days = {day.isoformat(): name for day, name in public_holidays(2026).items()}
    assert days == {
        "2026-01-01": "Neujahr",
        "2026-04-03": "Karfreitag",
        "2026-04-06": "Ostermontag",
        "2026-05-01": "Tag der Arbeit",
        "2026-05-14": "Christi Himmelfahrt",
        "2026-05-25": "Pfingstmontag",
        "2026-06-04": "Fronleichnam",
        "2026-10-03": "Tag der Deutschen Einheit",
        "2026-11-01": "Allerheiligen",
        "2026-12-25": "1. Weihnachtstag",
        "2026-12-26": "2. Weihnachtstag",
    }


@pytest.mark.parametrize("year", range(2000, 2038))
def test_holidays_are_the_library_s_for_germany_and_two_more(year: int) -> None:
    germany = OpeningHours("PH 10:00-12:00", country="DE")
    days = [dt.date(year, 1, 1) + dt.timedelta(days=day) for day in range(365)]
    common = {day for day in days if germany.is_open(dt.datetime.combine(day, dt.time(11)))}
    fixed = {dt.date(year, 10, 31)} if year == 2017 else set()  # Reformationstag, once, everywhere
    land = set(public_holidays(year))
    assert common - fixed <= land
    assert {public_holidays(year)[day] for day in land - common} <= {
        "Fronleichnam",
        "Allerheiligen",
    }


@pytest.mark.parametrize("year", [1961, 1981, 2008, 2026, 2049, 2076])
def test_holidays_in_rules_are_those_of_the_calendar(year: int) -> None:
    days = [dt.date(year, 1, 1) + dt.timedelta(days=day) for day in range(365)]
    opened = {day for day in days if opens_on("PH 10:00-12:00", day)}
    assert opened == set(public_holidays(year))
    easter = OpeningHours("easter 10:00-12:00")
    sundays = [day for day, name in unusual_days(year).items() if name == "Ostersonntag"]
    assert easter.is_open(dt.datetime.combine(sundays[0], dt.time(11)))


@pytest.mark.parametrize("date", ["2026-06-04", "2027-11-01", "2026-12-25", "2026-12-24"])
def test_usual_hours_are_unknown_on_a_holiday(date: str) -> None:
    rule, day = "Mo-Fr 10:00-12:00", dt.date.fromisoformat(date)
    assert state_at(rule, at(f"{date}T11:00")) == "unknown"
    assert state_at(rule, at(f"{date}T13:00")) == "closed"
    assert opens_on(rule, day) is None
    assert shown(rule, date) == []


def test_open_end_on_a_holiday_leaves_the_day_unknown() -> None:
    assert opens_on("Th 15:00+", dt.date(2026, 6, 4)) is None


def test_stated_holiday_rest_is_closed_and_stated_hours_are_open() -> None:
    assert opens_on("Mo-Fr 10:00-12:00; PH off", dt.date(2026, 6, 4)) is False
    assert state_at("Mo-Fr 10:00-12:00; PH off", at("2026-06-04T11:00")) == "closed"
    assert shown("Mo-Fr 10:00-12:00; PH 14:00-18:00", "2027-11-01") == ["14:00-18:00"]


def test_next_change_stops_where_certainty_ends() -> None:
    rule = "Mo-Su 00:00-24:00"
    assert next_change(rule, at("2026-12-20T12:00")) == at("2026-12-24T00:00")


# -- summer time ------------------------------------------------------------------------------


def test_night_on_which_clocks_go_back_has_an_hour_more() -> None:
    rule = "Su 01:00-04:00"
    ((start, end),) = intervals_on(rule, dt.date(2026, 10, 25))
    assert end.timestamp() - start.timestamp() == 4 * 3600
    for fold in (0, 1):
        assert state_at(rule, at("2026-10-25T02:30", fold=fold)) == "open"
    assert next_change(rule, at("2026-10-25T02:30", fold=1)) == at("2026-10-25T04:00")


def test_night_on_which_clocks_go_forward_starts_at_the_change() -> None:
    rule = "Su 02:30-03:30"
    ((start, end),) = intervals_on(rule, dt.date(2026, 3, 29))
    assert (start, end) == (at("2026-03-29T03:00"), at("2026-03-29T03:30"))
    assert next_change(rule, at("2026-03-29T01:59")) == start
    assert state_at(rule, at("2026-03-29T03:10")) == "open"


def test_moment_that_clocks_skip_is_answered() -> None:
    assert state_at("Su 03:00-05:00", at("2026-03-29T02:40")) == "open"  # it is 03:40


def test_hours_that_clocks_skip_do_not_happen() -> None:
    rule = "Su 02:00-03:00"
    assert intervals_on(rule, dt.date(2026, 3, 29)) == []
    assert next_change(rule, at("2026-03-29T00:00")) == at("2026-04-05T02:00")


# -- wrong calls ------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["", "Di 10-12", "Mo 10:00-12:00 || geschlossen", "\udcff"])
def test_rule_that_is_none_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match="rule: expected OSM opening_hours syntax"):
        state_at(rule, at("2026-11-24T12:00"))


def test_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InputError, match="time zone"):
        state_at("24/7", dt.datetime(2026, 11, 24, 12))


@pytest.mark.parametrize("date", [dt.date.min, dt.date.max])
def test_year_out_of_range_is_refused(date: dt.date) -> None:
    with pytest.raises(InputError, match="1900"):
        opens_on("Mo 10:00-12:00", date)


# -- any text ---------------------------------------------------------------------------------

WORDS = """
    Mo Di Mi. Do Fr Sa So montags Samstag Feiertage feiertags täglich werktags Wochenende
    1. 2. 4. 5. 7. ersten letzter jeden jede im-Monat monatlich wöchentlich Woche 14-tägig
    8 9 10 12 14 18 20 2 24 25 9:00 09:30 10.30 12:00 18:00 24:00 99:99 Uhr h von bis ab - –
    u. und oder , ; / + & | : ( ) geschlossen Ruhetag außer nicht geöffnet offen nachmittags
    Café Treff Büro Ferien Angabe Stand 2020 03/2021 12.3.2021 nach Vereinbarung 24/7
""".split()  # noqa: SIM905 (shorter than a list)
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=14).map(
    lambda words: " ".join(words).replace("im-Monat", "im Monat")
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.one_of(st.text(max_size=80), SENTENCES, SENTENCES))
@example("Mo ²-³")
@example("\udcff Mo 10-12")
@example("(((((((")
@example("Mo " + "(" * 300)
def test_any_text_gives_a_valid_rule_or_a_reason(text: str) -> None:
    hours = parse_hours(text)
    assert hours.text == text
    assert (hours.rule is None) == (hours.reason in REASONS)
    if hours.rule is not None:
        assert validate(hours.rule)
        assert state_at(hours.rule, at("2026-11-24T12:00")) in {"open", "closed", "unknown"}


# -- round trips ------------------------------------------------------------------------------

SHORT = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")
LONG = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")


@st.composite
def day_hours(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Up to three stretches of a day that do not touch, in minutes from 8:00 to 24:00.

    Before that, "7-9" may be said of an evening.
    """
    count = 2 * draw(st.integers(1, 3))
    quarters = st.integers(8 * 4, 24 * 4)
    edges = sorted(draw(st.lists(quarters, min_size=count, max_size=count, unique=True)))
    return tuple((a * 15, b * 15) for a, b in zip(edges[::2], edges[1::2], strict=True))


def clock(minute: int, *, bare: bool) -> str:
    hour, rest = divmod(minute, 60)
    return str(hour) if bare and not rest else f"{hour}:{rest:02d}"


@st.composite
def weeks(draw: st.DrawFn) -> tuple[str, dict[int, tuple[tuple[int, int], ...]]]:
    """A German text and the hours of each weekday that it states."""
    weekdays = draw(st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True))
    week = {weekday: draw(day_hours()) for weekday in weekdays}
    names = draw(st.sampled_from((SHORT, LONG)))
    bare, uhr = draw(st.booleans()), draw(st.sampled_from(("", " Uhr")))
    dash = draw(st.sampled_from(("-", " - ", "–", " bis ")))
    also = draw(st.sampled_from((", ", " und ", " u. ")))
    separator = draw(st.sampled_from(("; ", ", ", "\n", " und ")))
    colon = draw(st.sampled_from(("", ":")))

    def spans(weekday: int) -> str:
        return also.join(
            f"{clock(a, bare=bare)}{dash}{clock(b, bare=bare)}{uhr}" for a, b in week[weekday]
        )

    text = separator.join(f"{names[weekday]}{colon} {spans(weekday)}" for weekday in week)
    return text, week


@settings(max_examples=150, deadline=None)
@given(weeks())
def test_generated_week_is_read_to_the_minute(
    case: tuple[str, dict[int, tuple[tuple[int, int], ...]]],
) -> None:
    text, week = case
    assume(len(text) <= 400)
    rule = parse_hours(text).rule
    assert rule is not None, parse_hours(text)
    for weekday in range(7):
        midnight = dt.datetime.combine(MONDAY + dt.timedelta(days=weekday), dt.time())
        expected = [
            tuple(midnight + dt.timedelta(minutes=minute) for minute in span)
            for span in week.get(weekday, ())
        ]
        got = [
            tuple(moment.replace(tzinfo=None) for moment in span)
            for span in intervals_on(rule, midnight.date())
        ]
        assert got == expected


@settings(max_examples=80, deadline=None)
@given(st.sets(st.integers(1, 5), min_size=2), st.integers(0, 6), day_hours(), st.integers(0, 1000))
def test_generated_ordinals_are_those_of_the_month(
    ordinals: set[int], weekday: int, hours: tuple[tuple[int, int], ...], offset: int
) -> None:
    text = " und ".join(f"{number}." for number in sorted(ordinals))
    times = ", ".join(f"{clock(a, bare=False)}-{clock(b, bare=False)}" for a, b in hours)
    rule = parse_hours(f"jeden {text} {LONG[weekday]} im Monat {times}").rule
    assert rule is not None
    day = dt.date(2025, 1, 1) + dt.timedelta(days=offset)
    meant = day.weekday() == weekday and (day.day + 6) // 7 in ordinals
    special = day in public_holidays(day.year) or day in unusual_days(day.year)
    assert opens_on(rule, day) is (None if special and meant else meant)


RULES = (
    *filter(None, (row["rule"] for row in corpus())),
    "Mo 22:00-02:00, Tu 01:00-03:00", "Sa 20:00-04:00; Su 02:30-03:30", "Mo-Su 00:00-24:00",
    "Mo-Fr 10:00-12:00; PH off", "Su 14:00+; PH 14:00-18:00", "Su 01:00-02:30", "24/7",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(RULES),
    st.one_of(
        st.integers(0, 3 * 365 * 24 * 60),
        st.integers(0, 48 * 60).map(lambda minute: 297 * 24 * 60 + minute),  # 25.10.2026
        st.integers(0, 48 * 60).map(lambda minute: 87 * 24 * 60 + minute),  # 29.3.2026
    ),
)
def test_state_holds_until_the_next_change_and_no_longer(rule: str, minute: int) -> None:
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    moment = begin + dt.timedelta(minutes=minute)
    state, change = state_at(rule, moment), next_change(rule, moment)
    if change is None:
        assert rule == "24/7"
        return
    assert change > moment
    assert state_at(rule, change) != state
    length = change.astimezone(dt.UTC) - moment
    for part in (0.1, 0.5, 0.9, 0.999):
        assert state_at(rule, moment + length * part) == state


# -- speed ------------------------------------------------------------------------------------


def test_five_thousand_texts_are_read_within_a_second() -> None:
    texts = [row["text"] or "" for row in corpus()]
    many = [f"{texts[number % len(texts)]} (Stand {1980 + number % 97})" for number in range(5000)]
    assert len(set(many)) == 5000
    start = time.process_time()
    for text in many:
        parse_hours(text)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("piece", ["(", "(,", " ", ",", "Mo ", "1. ", "a-", "Stand ", "und ", "9-"])
def test_hostile_text_costs_no_time(piece: str) -> None:
    start = time.process_time()
    parse_hours(piece * (400 // len(piece)))
    parse_hours(piece * 1_000_000)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Mo 10-12" + " " * 380 + "oder",
        "angabe " + " " * 390,
        "Mo 10-12" + "\n" * 380 + "oder",
        "Mo 10-12" + " \n" * 190 + "oder",
        "Mo 10-12" + "\t\u00a0" * 190 + "oder",
        ("(Stand 2020)" * 30)[:390] + "oder",
        "Mo 10-12 und nach " * 22,
    ],
    ids=lambda text: repr(text[:14]),
)
def test_long_runs_of_blanks_take_no_time(text: str) -> None:
    began = time.process_time()
    parse_hours(text)
    assert time.process_time() - began < 0.5


def test_blanks_do_not_change_what_is_read() -> None:
    assert parse_hours("Mo   10-12\n\n  Di\t14-16").rule == parse_hours("Mo 10-12\nDi 14-16").rule
