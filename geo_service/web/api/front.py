"""Where a program and a person begin: the landing page, the OpenAPI document, the page."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flask import Blueprint

from geo_service.web.answers import answer
from geo_service.web.api.edition import present
from geo_service.web.api.media import send, tag_of, to_json
from geo_service.web.api.openapi import describe
from geo_service.web.api.operations import Operation, operation, operations
from geo_service.web.api.schemas import reference
from geo_service.web.languages import neutral_url_for
from geo_service.web.rendering import html_body
from geo_service.web.site import the_site

if TYPE_CHECKING:
    from flask import Response

    from geo_service.web.api.media import Format
    from geo_service.web.api.operations import Asked

__all__ = ["api_page"]

api_page = Blueprint("api_page", __name__, url_prefix="/api")
_HOUR: Final = "public, max-age=3600"


@operation(
    Operation(
        name="landing",
        path="/",
        summary="What there is, of which revision",
        description="Revision, notes on sources, and the addresses of all operations.",
        parameters=(),
        answers={"json": reference("Landing")},
        example="",
    )
)
def landing(asked: Asked, format_: Format) -> Response:
    """Say what there is."""
    del asked
    view, edition = present()
    root = _root()
    said = {
        "title": the_site().settings.service_name,
        "changed_at": view.snapshot.changed_at.isoformat(),
        "documentation": neutral_url_for("api_page.page"),
        "openapi": f"{root}/openapi.json",
        "operations": [
            {"address": root + one.path, "summary": one.summary} for one in operations()
        ],
    }
    content = b"{%s,%s" % (edition.head, to_json(said)[1:])
    return send(content, format_, edition.tag("landing", root))


@operation(
    Operation(
        name="openapi",
        path="/openapi.json",
        summary="This description",
        description="The OpenAPI 3.1 document.",
        parameters=(),
        answers={"json": {"type": "object"}},
        example="openapi.json",
    )
)
def openapi(asked: Asked, format_: Format) -> Response:
    """Give the OpenAPI document."""
    del asked
    content = _document(_root())
    return send(content, format_, tag_of(0, content), cache=_HOUR)


@api_page.get("/")
def page() -> Response:
    """Describe the interface for people."""
    view = the_site().view()
    _, edition = present()
    example = edition.index.ids[0] if len(edition.index) else "ID"
    values = {"operations": operations(), "root": _root(), "example_id": example}
    return answer(html_body(view, "api.html", **values))


@lru_cache(maxsize=8)
def _document(root: str) -> bytes:
    return to_json(describe(root))


def _root() -> str:
    """Return the address that all operations are below."""
    return neutral_url_for("api.landing").rstrip("/")
