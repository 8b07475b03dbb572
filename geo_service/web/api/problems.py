"""Errors of the interface as problems (RFC 9457), in English, readable by other sites."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from geo_service.web.answers import Body, answer

if TYPE_CHECKING:
    from flask import Response

    from geo_service.web.api.parameters import ParameterError

__all__ = ["PROBLEM", "open_to_all", "parameter_problem", "problem"]

PROBLEM: Final = "application/problem+json"
_DETAILS: Final = {
    400: "The request cannot be understood.",
    404: "There is nothing at this address; /api/v1 lists what there is.",
    405: "This address can only be read: GET, HEAD or OPTIONS.",
    406: "None of the formats in Accept is offered here.",
    414: "The address is too long.",
    429: "Too many requests; try again later.",
    500: "Something went wrong on our side.",
    503: "The directory cannot be reached at the moment; try again in a few minutes.",
}
_EXPOSED: Final = "ETag, Link, X-Request-Id, Retry-After"


def problem(status: int, detail: str | None = None, **more: Any) -> Response:
    """Answer that something went wrong; `more` are further members."""
    said = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or _DETAILS.get(status) or HTTPStatus(status).description,
        **more,
    }
    body = Body(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(), PROBLEM)
    return open_to_all(answer(body, cache="no-store", status=status))


def parameter_problem(error: ParameterError) -> Response:
    """Answer that a parameter cannot be read or met."""
    return problem(
        error.status,
        str(error),
        parameter=error.parameter,
        expected=error.expected,
        got=error.got,
    )


def open_to_all(response: Response) -> Response:
    """Let pages of other sites read an answer; it carries no cookie and needs none."""
    headers = response.headers
    if "Access-Control-Allow-Origin" not in headers.keys():  # noqa: SIM118 - quicker by far
        headers.add("Access-Control-Allow-Origin", "*")
        headers.add("Access-Control-Expose-Headers", _EXPOSED)
        headers.add("Cross-Origin-Resource-Policy", "cross-origin")
    return response
