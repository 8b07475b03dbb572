"""Review lists each record once, under its most pressing reason."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import pytest
from shapely import Point

from geo_service import schema
from geo_service.review import REASONS, find_findings

MAINZ = Point(8.2711, 50.0012)


def initiatives(**columns: Any) -> schema.Initiatives:
    """One record placed in Mainz by its address, changed as told."""
    point = columns.pop("point", MAINZ)
    row: dict[str, Any] = {
        "id": "a",
        "name": "Café Welcome",
        "city": "Mainz",
        "municipality": "Mainz",
        "source_line": 2,
        "coordinate_status": "found",
        "coordinate_precision": "address",
        "ags": "07315000",
        "municipality_check": "match",
    }
    row.update(columns)
    frame = schema.as_columns({k: [v] for k, v in row.items()}, schema.INITIATIVE_COLUMNS)
    return schema.check_initiatives(gpd.GeoDataFrame(frame, geometry=[point], crs=schema.WGS84))


NOWHERE: dict[str, Any] = {
    "point": None,
    "ags": None,
    "coordinate_precision": None,
    "municipality_check": None,
}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({**NOWHERE, "coordinate_status": "failed:timeout"}, "failed"),
        ({**NOWHERE, "coordinate_status": "not_found"}, "not_found"),
        ({**NOWHERE, "coordinate_status": "ambiguous"}, "ambiguous"),
        ({"municipality_check": "mismatch"}, "mismatch"),
        ({"ags": None, "municipality_check": "mismatch"}, "mismatch"),
        ({"ags": None, "municipality_check": "unstated"}, "outside"),
        ({"street": "Rheinallee", "coordinate_precision": "municipality"}, "rough"),
        ({"street": "Rheinallee", "coordinate_precision": "locality"}, "rough"),
    ],
)
def test_each_reason_is_found(columns: dict[str, Any], reason: str) -> None:
    (finding,) = find_findings(initiatives(**columns))
    assert finding.reason == reason
    assert finding.as_dict()["reason"] == REASONS[finding.reason]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"street": "Rheinallee", "coordinate_precision": "street"},
        {"street": None, "coordinate_precision": "municipality"},
        {"municipality_check": "unstated"},
    ],
)
def test_nothing_to_look_at(columns: dict[str, Any]) -> None:
    assert find_findings(initiatives(**columns)) == ()


def test_finding_says_what_was_stated_and_why() -> None:
    (finding,) = find_findings(
        initiatives(
            **NOWHERE,
            coordinate_status="ambiguous",
            street="Hauptstraße",
            house_number="1",
            postcode="54673",
            city="Bauler",
            municipality=None,
            coordinate_note="Bauler (Vulkaneifel); Bauler (Eifelkreis)",
        )
    )
    assert finding.stated == "Hauptstraße 1 54673 Bauler"
    assert finding.detail == "Bauler (Vulkaneifel); Bauler (Eifelkreis)"
    assert finding.source_line == 2
