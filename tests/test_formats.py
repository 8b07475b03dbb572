from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_service import formats


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0, 0, "0"),
        (-0.0, 1, "0,0"),
        (-0.04, 1, "0,0"),
        (999, 0, "999"),
        (1000, 0, "1.000"),
        (4129569, 0, "4.129.569"),
        (2.5, 0, "3"),  # commercial, not to even
        (-2.5, 0, "-3"),
        (0.125, 2, "0,13"),
        (1234.5678, 2, "1.234,57"),
        (1e15, 0, "1.000.000.000.000.000"),
    ],
)
def test_numbers_in_german_form(value: float, decimals: int, text: str) -> None:
    assert formats.german_number(value, decimals) == text


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_unknown_is_empty_or_what_the_caller_says_never_zero(unknown: float | None) -> None:
    assert formats.german_number(unknown) == ""
    assert formats.german_number(unknown, missing="unbekannt") == "unbekannt"
    assert formats.german_percent(unknown, missing="–") == "–"
    assert formats.german_distance(unknown, missing="–") == "–"
    assert formats.german_date(None, missing="–") == "–"


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.0, 1, "0,0 %"),
        (0.0004, 1, "0,04 %"),
        (0.000_000_1, 1, "unter 0,001 %"),
        (0.002, 0, "0,2 %"),
        (0.49999, 0, "49,9 %"),
        (0.49999, 1, "49,9 %"),
        (0.5, 1, "50,0 %"),
        (0.29, 0, "29 %"),
        (0.99789, 0, "99,7 %"),
        (0.999_923, 1, "99,9 %"),
        (1.0, 0, "100 %"),
    ],
)
def test_a_share_reads_0_a_half_or_all_only_where_it_is(
    share: float, decimals: int, text: str
) -> None:
    assert formats.percent_text(share, decimals) == text


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_unknown_share_is_what_the_caller_says(unknown: float | None) -> None:
    assert formats.percent_text(unknown, missing="–") == "–"


def test_share_rounded_down_still_reads_0_only_where_it_is() -> None:
    assert formats.percent_text(0.8999, 0, down=True) == "89 %"
    assert formats.percent_text(0.000_49, down=True) == "0,04 %"


def test_rounding_down_keeps_a_figure_under_its_limit() -> None:
    assert formats.german_percent(0.49999, down=True) == "49,9 %"
    assert formats.german_percent(0.49999) == "50,0 %"
    assert formats.german_percent(0.312, down=True) == "31,2 %"
    assert formats.german_percent(0.29, 0, down=True) == "29 %"


@pytest.mark.parametrize(
    ("length_m", "text"),
    [
        (0, "0 m"),
        (4.9, "0 m"),
        (5, "10 m"),
        (447, "450 m"),
        (994.9, "990 m"),
        (995, "1,0 km"),
        (2345, "2,3 km"),
        (99_949, "99,9 km"),
        (99_950, "100 km"),
        (1_234_567, "1.235 km"),
    ],
)
def test_distances(length_m: float, text: str) -> None:
    assert formats.german_distance(length_m) == text


@pytest.mark.parametrize(
    ("date", "text"),
    [
        (dt.date(2026, 11, 3), "03.11.2026"),
        (dt.datetime(2026, 11, 3, 12, 0), "03.11.2026"),
        ("2026-11-03", "03.11.2026"),
        ("2022-03", "März 2022"),
        ("2015", "2015"),
    ],
)
def test_dates(date: dt.date | str, text: str) -> None:
    assert formats.german_date(date) == text


@pytest.mark.parametrize("date", ["2022-13", "2022-02-30", "gestern", "22", ""])
def test_a_text_that_is_no_date_is_refused(date: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        formats.german_date(date)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_a_cell_that_would_run_is_neutralised(start: str) -> None:
    assert formats.neutralise_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("text", ["", "Café", "1+1", "'s Lädchen", " =1", "a=b", "07131000"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert formats.neutralise_cell(text) == text
    assert formats.restore_cell(text) == text


@given(st.one_of(st.text(), st.text(alphabet="'=+-@\t\r\nx", max_size=6)))
def test_neutralised_text_never_runs_and_comes_back_exactly(text: str) -> None:
    cell = formats.neutralise_cell(text)
    assert cell[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert formats.restore_cell(cell) == text
