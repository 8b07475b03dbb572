"""What answers look like, as JSON Schema (2020-12): components of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from geo_service.schema import COVERAGE_COLUMNS, JUDGEMENTS, PUBLIC_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMPONENTS", "CSV", "REASONS", "array", "counts", "object_of", "reference"]

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
CSV: Final[Schema] = {"type": "string"}

_MEANINGS: Final = {
    "id": "Lasting id of the record; its page is /orte/{id}.",
    "offers": "What it offers, joined by '; '.",
    "languages": "Spoken languages as the record names them (German), joined by '; '.",
    "wheelchair": "yes, limited or no.",
    "opening_hours": "Opening hours as the source words them (German).",
    "source": "Address or text that the record was taken from.",
    "source_date": "Date of the source: YYYY, YYYY-MM or YYYY-MM-DD.",
    "confirmed_on": "Day on which somebody confirmed the record, YYYY-MM-DD.",
    "coordinate_status": "found, not_found, ambiguous or failed:<kind>.",
    "coordinate_precision": "address, street, postcode, locality or municipality.",
    "coordinate_score": "How well the address matched, 0 to 1.",
    "ags": "Key of the municipality that the point lies in, 8 digits.",
    "municipality_check": "Whether the point lies in the stated municipality: match, mismatch"
    " or unstated.",
}


def reference(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def counts(meaning: str) -> Schema:
    """Return the schema of counts by name."""
    return {"type": "object", "description": meaning, "additionalProperties": COUNT}


def object_of(
    properties: Mapping[str, Schema], *, optional: tuple[str, ...] = (), **more: Any
) -> Schema:
    """Return the schema of an object; what it may have besides is left open."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def _column(name: str) -> Schema:
    schema: Schema = {"type": "number" if name == "coordinate_score" else "string"}
    return schema | ({"description": _MEANINGS[name]} if name in _MEANINGS else {})


_RECORD: Final = {name: _column(name) for name in PUBLIC_COLUMNS}
_DISTANCE: Final[Schema] = {
    **COUNT,
    "description": "Whole metres from `near` as the crow flies; only where that was asked.",
}
_NEXT: Final[Schema] = {
    **TEXT,
    "description": "Address of the next page; missing on the last one.",
}
_EDITION: Final = {
    "revision": {**COUNT, "description": "Edition of the data; all of an answer is of one."},
    "attribution": {
        **TEXT,
        "description": "Notes that the sources' licences ask for, one a line; show them.",
    },
}
_POINT: Final = object_of(
    {
        "type": {"const": "Point"},
        "coordinates": {**array({"type": "number"}), "minItems": 2, "maxItems": 2},
    }
)
_SHAPE: Final = object_of(
    {"type": {"enum": ["Polygon", "MultiPolygon"]}, "coordinates": {"type": "array"}}
)
_AREA: Final = {
    "key": {
        **TEXT,
        "description": "2 digits (Land), 5 (Kreis), 9 (Verbandsgemeinde), 8 (Gemeinde)",
    },
    "name": TEXT,
    "level": {"enum": ["land", "kreis", "verbandsgemeinde", "gemeinde"]},
    "kind": {**TEXT, "description": "What it is, in German."},
    "population": COUNT,
    "within": {**array(TEXT), "description": "Keys of the larger areas, the Land's first."},
    "bbox": {**array({"type": "number"}), "minItems": 4, "maxItems": 4},
    "records": {**COUNT, "description": "Records that are known to lie in it."},
}


# ------------------------------------------------------------- the planners' operations

REASONS: Final = {
    "level": "only known of municipalities",
    "no_gap": "there is no gap to give a reason for",
    "no_people": "nobody lives there, so there is nothing to divide by",
    "no_place": "no place of this choice has a point",
    "no_way": "there was no place before, so no way to shorten",
    "people_unknown": "the number of people is not known",
    "too_small": "too few people to be judged",
    "unbounded": "the share cannot be reached, so there is nothing to compare with",
}
"""Why a figure is null."""

_MISSING: Final[Schema] = {
    "type": "object",
    "additionalProperties": {"enum": [*REASONS]},
    "description": "Why members are null, by their names: "
    + "; ".join(f"`{name}`: {text}" for name, text in REASONS.items())
    + ".",
}
_FIGURES: Final = {
    "population": "People by the register of municipalities.",
    "places": "Places of the choice that stand in it.",
    "places_per_10k": "Per 10,000 people.",
    "people_counted": "What the points of `population_basis` add up to.",
    "people_reached": "People with a place within the radius, in other areas too.",
    "share_reached": "0 to 1, of `people_counted`.",
    "people_beyond": "`people_counted` less `people_reached`.",
    "nearest_seat_m": "Metres from the municipality's seat to the nearest place.",
    "nearest_mean_m": "Metres to the nearest place, on average of the people.",
    "e2sfca": "Places within reach per 10,000 people, shared among those near them.",
    "gap": "Whether, by the points on record, too small a share is reached.",
    "judgement": "`gap` or `no_gap` over the whole range; else `uncertain`; `too_small` or"
    " `unknown` where it is not judged.",
    "gap_reason": "Why it is a gap, or not judged (German).",
    "small_numbers": "So few places or people that a ratio says little.",
    "rough": "Places whose point is coarser than the street.",
    "stale": "Places neither stated nor confirmed in 24 months.",
    "undated": "Places without any date.",
    "municipalities_unknown": "Municipalities whose number of people is not known.",
    "population_basis": "seat_points, grid_1km, grid_100m or figures.",
}
_JSON_TYPES: Final[Mapping[str, Schema]] = {
    "int64": {"type": "integer", "minimum": 0},
    "float64": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "str": TEXT,
}


def _figure(name: str, dtype: str) -> Schema:
    schema = dict(_JSON_TYPES[dtype])
    if name == "judgement":
        schema = {"enum": list(JUDGEMENTS)}
    if name == "gap_reason":
        schema = {"type": ["string", "null"]}
    return schema | ({"description": _FIGURES[name]} if name in _FIGURES else {})


_COVERED: Final = object_of(
    {**{name: _figure(name, dtype) for name, dtype in COVERAGE_COLUMNS.items()},
     "missing": _MISSING},
    optional=("missing",),
    description="An area. From `…_low` to `…_high` goes what a figure is in nine of ten layouts"
    " of the roughly located places in their municipalities; it is no bound.",
)  # fmt: skip
_DAY: Final = {"type": "string", "format": "date"}
_ASKED: Final = {
    "type": "object",
    "description": "What was asked, defaults included, by the names of the parameters, and what"
    " else it is measured with.",
}
_PAGE: Final = {**TEXT, "description": "The same on the planners' pages (German)."}
_STATE: Final = object_of(
    {
        "key": {**TEXT, "description": "What `state` asks for."},
        "name": TEXT,
        "date": {**_DAY, "description": "The day it was taken for."},
        "erased": {**COUNT, "description": "Its records that were erased since; they are gone."},
        "method": {**TEXT, "description": "The method of the published figures."},
        "may_differ": {
            "type": "boolean",
            "description": "Whether the published figures may be others, as records were erased"
            " or the method has changed.",
        },
    },
    description="The dated state asked for, measured anew; null for the present.",
)
_COVERAGE: Final = {
    **_EDITION,
    "date": {**_DAY, "description": "The day by which records are judged."},
    "page": _PAGE,
    "state": {"anyOf": [_STATE, {"type": "null"}]},
    "parameters": _ASKED,
    "count": {
        **counts("What became of the records: selected = counted + outside + unplaced."),
        "required": ["records", "selected", "counted", "outside", "unplaced"],
    },
    "judged": counts("How many areas have each judgement."),
    "whole": {**reference("CoveredArea"), "description": "The Land, or what is asked `within`."},
}
_MAYBE: Final[Schema] = {"type": ["number", "null"]}
_SPAN: Final = {
    "description": "People, for `pmedian` metres on average; from `low` to `high` in nine of ten"
    " layouts of the roughly located places.",
    **object_of(
        {"value": _MAYBE, "low": _MAYBE, "high": _MAYBE, "missing": _MISSING},
        optional=("missing",),
    ),
}
_SITE: Final = object_of(
    {
        "key": {**TEXT, "description": "Key of the municipality, 8 digits."},
        "name": TEXT,
        "number": {**COUNT, "description": "By what they bring, forced ones first."},
        "ags": TEXT,
        "within": {**TEXT, "description": "Verbandsgemeinde and Kreis (German)."},
        "lon": {"type": "number", "description": "Degrees, EPSG:4326."},
        "lat": {"type": "number", "description": "Degrees, EPSG:4326."},
        "forced": {"type": "boolean"},
        "people_gained": {"type": "number", "description": "People whom no place before reaches."},
        "share_after": {"type": "number", "description": "0 to 1, with all sites up to this."},
        "metres_saved": {**_MAYBE, "description": "Off the average (`pmedian`)."},
        "mean_after_m": {"type": "number", "description": "Average then (`pmedian`)."},
        "people": {"type": "number", "description": "People behind the gain."},
        "from_municipalities": array(
            object_of({"ags": TEXT, "name": TEXT, "people": {"type": "number"}})
        ),
        "near_ties": {
            **array(
                object_of(
                    {
                        "name": TEXT,
                        "ags": TEXT,
                        "loss": {
                            "type": "number",
                            "description": "People fewer, or metres more on average (`pmedian`).",
                        },
                        "loss_share": {
                            "type": "number",
                            "description": "Of the people whom all sites reach anew, or of the"
                            " average distance with them (`pmedian`).",
                        },
                    }
                )
            ),
            "description": "What could stand for it, all else unchanged, and what that costs.",
        },
        "missing": _MISSING,
    },
    optional=(
        "within", "people_gained", "share_after", "metres_saved", "mean_after_m", "missing",
    ),
)  # fmt: skip
_SITING: Final = {
    **_EDITION,
    "date": {**_DAY, "description": "The day by which records are judged."},
    "page": _PAGE,
    "parameters": _ASKED,
    "target_met": {"type": "boolean", "description": "Whether the `share` can be reached."},
    "attainable_share": {"type": "number", "description": "What all candidates would reach."},
    "method": {"enum": ["greedy", "exact"], "description": "How the answer was found."},
    "is_optimal": {"type": "boolean", "description": "Proven: no choice is better."},
    "value": {**_MAYBE, "description": "People gained, sites needed, or metres on average."},
    "bound": {**_MAYBE, "description": "What no choice can beat."},
    "gap_share": {**_MAYBE, "description": "What lies between, 0 to 1."},
    "people": {"type": "number", "description": "All whose number is known."},
    "people_unknown": {**COUNT, "description": "Points without a number of people."},
    "before": _SPAN,
    "after": _SPAN,
    "gain": _SPAN,
    "places": {**COUNT, "description": "Places there are that count."},
    "places_rough": {**COUNT, "description": "Of these, how many are coarser than the street."},
    "candidates": COUNT,
    "curve": array(
        object_of(
            {"sites": COUNT, "gain": _MAYBE, "after": {"type": "number"}, "missing": _MISSING},
            optional=("missing",),
            description="What one more place brings; beyond the answer for `mclp`.",
        )
    ),
    "missing": _MISSING,
}
_NOT_ALWAYS: Final = ("target_met", "attainable_share", "missing")

COMPONENTS: Final[dict[str, Schema]] = {
    "Problem": object_of(
        {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "parameter": {**TEXT, "description": "The parameter that is meant."},
            "expected": TEXT,
            "got": {"type": ["string", "null"], "description": "Null where nothing came."},
        },
        optional=("parameter", "expected", "got"),
        description="RFC 9457. `parameter`, `expected` and `got` come together.",
    ),
    "Initiative": object_of(
        {
            **_RECORD,
            "lon": {"type": "number", "description": "Degrees, EPSG:4326."},
            "lat": {"type": "number", "description": "Degrees, EPSG:4326."},
            "distance_m": _DISTANCE,
        },
        optional=(*PUBLIC_COLUMNS[1:], "lon", "lat", "distance_m"),
        description="A record. What is missing is not known; it never means 'no'.",
    ),
    "InitiativeFeature": object_of(
        {
            "type": {"const": "Feature"},
            "id": TEXT,
            "geometry": {"anyOf": [_POINT, {"type": "null"}]},
            "properties": object_of(
                {**_RECORD, "distance_m": _DISTANCE},
                optional=(*PUBLIC_COLUMNS[1:], "distance_m"),
            ),
        },
        description="A record as GeoJSON (RFC 7946).",
    ),
    "InitiativeCollection": object_of(
        {
            "type": {"const": "FeatureCollection"},
            **_EDITION,
            "features": array(reference("InitiativeFeature")),
            "next": _NEXT,
        },
        optional=("next",),
    ),
    "InitiativeList": object_of(
        {**_EDITION, "initiatives": array(reference("Initiative")), "next": _NEXT},
        optional=("next",),
    ),
    "Area": object_of(_AREA),
    "AreaList": object_of({**_EDITION, "areas": array(reference("Area"))}),
    "BoundaryCollection": object_of(
        {
            "type": {"const": "FeatureCollection"},
            "attribution": TEXT,
            "features": array(
                object_of(
                    {
                        "type": {"const": "Feature"},
                        "geometry": _SHAPE,
                        "properties": object_of({"key": TEXT, "name": TEXT}),
                    }
                )
            ),
        }
    ),
    "Suggestions": object_of({"suggestions": array(TEXT)}),
    "Summary": object_of(
        {
            **_EDITION,
            "changed_at": {"type": "string", "format": "date-time"},
            "records": COUNT,
            "with_point": COUNT,
            "category": counts("Records by category; '' where it is not known."),
            "theme": counts("Records by theme; '' where it is not known."),
            "precision": counts("Records by how exact their point is; '' without a point."),
            "freshness": counts(
                "current, stale (neither stated nor confirmed in 24 months) and undated."
            ),
            "wheelchair": counts("Records by access for wheelchairs; '' where it is not known."),
            "language": counts("Records that name a language."),
        }
    ),
    "Changes": object_of(
        {
            **_EDITION,
            "since_revision": COUNT,
            "created": {**array(TEXT), "description": "Ids of records that are new."},
            "updated": {**array(TEXT), "description": "Ids of records that differ."},
            "removed": {
                **array({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
                "description": "SHA-256 (hex) of the ids (UTF-8) of records that are gone: an id"
                " is erased together with its record.",
            },
            "initiatives": {
                **array(reference("Initiative")),
                "description": "The created and updated records, with `include=records`.",
            },
        },
        optional=("initiatives",),
    ),
    "CoveredArea": _COVERED,
    "Coverage": object_of({**_COVERAGE, "areas": array(reference("CoveredArea"))}),
    "CoverageCollection": object_of(
        {
            "type": {"const": "FeatureCollection"},
            **_COVERAGE,
            "features": array(
                object_of(
                    {
                        "type": {"const": "Feature"},
                        "id": {**TEXT, "description": "Key of the area."},
                        "geometry": _SHAPE,
                        "properties": reference("CoveredArea"),
                    }
                )
            ),
        }
    ),
    "Site": _SITE,
    "Siting": object_of({**_SITING, "sites": array(reference("Site"))}, optional=_NOT_ALWAYS),
    "SitingCollection": object_of(
        {
            "type": {"const": "FeatureCollection"},
            **_SITING,
            "features": array(
                object_of(
                    {
                        "type": {"const": "Feature"},
                        "id": TEXT,
                        "geometry": _POINT,
                        "properties": reference("Site"),
                    }
                )
            ),
        },
        optional=_NOT_ALWAYS,
    ),
    "Landing": object_of(
        {
            **_EDITION,
            "title": TEXT,
            "changed_at": {"type": "string", "format": "date-time"},
            "documentation": TEXT,
            "openapi": TEXT,
            "operations": array(object_of({"address": TEXT, "summary": TEXT})),
        }
    ),
}
