"""The interface described as OpenAPI 3.1, from the declarations that requests are read by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from geo_service.web.api.media import MEDIA_TYPES
from geo_service.web.api.operations import operations
from geo_service.web.api.problems import PROBLEM
from geo_service.web.api.schemas import COMPONENTS, reference

if TYPE_CHECKING:
    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Operation

__all__ = ["VERSION", "describe"]

VERSION: Final = "1.1.0"
"""Of the interface: the first number is that of the address, the second counts additions."""

_INTRODUCTION: Final = (
    "Meeting places and integration initiatives in Rheinland-Pfalz. No key, no account, no"
    " cookie; readable from pages of other sites. What is missing in a record is not known, and"
    " never means 'no'. Texts are what records say: whoever shows them escapes them. docs/api.md"
    " has the promise of stability."
)
_TAG: Final = {"type": "string", "description": "Changes with the content."}
_HEADERS: Final = {
    "ETag": {"description": "Send it as If-None-Match to be told 304.", "schema": _TAG},
    "X-Request-Id": {"description": "Name it in questions.", "schema": {"type": "string"}},
}
_REQUEST_ID: Final = {"X-Request-Id": _HEADERS["X-Request-Id"]}
_WAIT: Final = {
    "Retry-After": {
        "description": "Seconds to wait before asking again; missing where nobody knows.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_ALWAYS: Final = {
    400: "A parameter cannot be read; the problem names it, what was expected and what came.",
    406: "None of the formats in Accept is offered here.",
    503: "The directory cannot be reached at the moment.",
}


def describe(server: str) -> dict[str, Any]:
    """Return the document; `server` is the address that paths are below."""
    paths: dict[str, Any] = {}
    for one in operations():
        paths[one.path] = {"get": _described(one, one.formats, one.name)}
        if not one.key and len(one.formats) > 1:
            for name in one.formats:
                own = _described(one, (name,), f"{one.name}_{name}")
                paths[f"{one.path}.{name}"] = {"get": own}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Begegnungsorte in Rheinland-Pfalz",
            "version": VERSION,
            "description": _INTRODUCTION,
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": COMPONENTS},
    }


def _described(one: Operation, formats: tuple[Format, ...], name: str) -> dict[str, Any]:
    parameters = [parameter.described() for parameter in one.parameters]
    if one.key:
        key = one.path.partition("{")[2].rstrip("}")
        schema = {"type": "string", "minLength": 1}
        said = {"name": key, "in": "path", "required": True, "schema": schema}
        parameters.insert(0, {**said, "description": one.key})
    refusals = {**_ALWAYS, **one.refusals}
    return {
        "operationId": name,
        "summary": one.summary,
        "description": one.description,
        "parameters": parameters,
        "responses": {
            "200": _found(one, formats),
            "304": {"description": "Unchanged since the ETag that was sent.", "headers": _HEADERS},
            **{str(status): _refused(status, refusals[status]) for status in sorted(refusals)},
        },
    }


def _found(one: Operation, formats: tuple[Format, ...]) -> dict[str, Any]:
    content = {
        MEDIA_TYPES[name].partition(";")[0]: {"schema": one.answers[name]} for name in formats
    }
    return {"description": one.summary, "headers": _HEADERS, "content": content}


def _refused(status: int, reason: str) -> dict[str, Any]:
    content = {PROBLEM: {"schema": reference("Problem")}}
    headers = _REQUEST_ID | (_WAIT if status in {429, 503} else {})
    return {"description": reason, "headers": headers, "content": content}
