"""What answers look like, as JSON Schema (2020-12): components of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from geo_service.schema import PUBLIC_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMPONENTS", "CSV", "array", "counts", "object_of", "reference"]

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
