"""Settings are read once, from one place, and documented."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from geo_service.config import Settings, load_settings
from geo_service.errors import SettingsError

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "settings.md"


def test_defaults_send_no_address_outside() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert settings.geocoder == ""
    assert settings.host == "127.0.0.1"


def test_every_setting_is_documented_with_its_default() -> None:
    text = DOCUMENT.read_text("utf-8")
    for item in fields(Settings):
        default = item.default if item.default != "" else "(empty)"
        if item.name == "data_dir":
            default = "(the shipped data)"
        row = f"| `{item.metadata['env']}` | `{default}` | {item.metadata['help']} |"
        assert row in text


def test_document_names_no_setting_that_does_not_exist() -> None:
    rows = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} == {i.metadata["env"] for i in fields(Settings)}


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "GEO_SERVICE_PORT": "99999",
                "GEO_SERVICE_RADIUS_M": "weit",
                "GEO_SERVICE_GEOCODER": "nominatim",
            }
        )
    message = str(caught.value)
    assert "GEO_SERVICE_PORT: expected a port from 0 to 65535, got '99999'" in message
    assert "GEO_SERVICE_RADIUS_M" in message
    assert "GEO_SERVICE_GEOCODER_CONTACT" in message
    assert "GEO_SERVICE_GEOCODER_URL" in message


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e999"])
def test_radius_must_be_a_positive_number(value: str) -> None:
    with pytest.raises(SettingsError, match="GEO_SERVICE_RADIUS_M"):
        load_settings({"GEO_SERVICE_RADIUS_M": value})


def test_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"GEO_SERVICE_PORT": " "}).port == 8000


def test_decimal_comma_is_understood() -> None:
    assert load_settings({"GEO_SERVICE_RADIUS_M": "2500,5"}).radius_m == 2500.5
