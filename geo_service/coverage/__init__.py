"""Coverage: how well places reach people, per area and level, how sure that is, and the gaps.

`compute_levels` measures once; a `Terrain` keeps what does not depend on the places, so that
the next question is answered in milliseconds. Distances are as the crow flies, in metres, in
EPSG:25832. Modules in reading order: parameters, spots, terrain, places, e2sfca,
uncertainty, measure. The method, with its formulas, assumptions and limits, is docs/coverage.md.
"""

from __future__ import annotations

from geo_service.coverage.e2sfca import compute_e2sfca
from geo_service.coverage.measure import (
    E2SFCA_PEOPLE,
    FEW_PEOPLE,
    FEW_PLACES,
    Reach,
    Sample,
    TooLargeError,
    compute_coverage,
    compute_levels,
    measure_change,
    measure_reach,
    measure_terrain,
)
from geo_service.coverage.parameters import LUO_QI_STEPS, MAX_RADIUS_M, METHOD, CoverageParameters
from geo_service.coverage.places import PlaceCount, count_places, select_places
from geo_service.coverage.terrain import TERRAIN_BYTES, Ground, Terrain

__all__ = [
    "E2SFCA_PEOPLE",
    "FEW_PEOPLE",
    "FEW_PLACES",
    "LUO_QI_STEPS",
    "MAX_RADIUS_M",
    "METHOD",
    "TERRAIN_BYTES",
    "CoverageParameters",
    "Ground",
    "PlaceCount",
    "Reach",
    "Sample",
    "Terrain",
    "TooLargeError",
    "compute_coverage",
    "compute_e2sfca",
    "compute_levels",
    "count_places",
    "measure_change",
    "measure_reach",
    "measure_terrain",
    "select_places",
]
