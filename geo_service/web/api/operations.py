"""What the interface offers: each operation declares its address, parameters and answers.

`operation` puts a function on the address and keeps the declaration, from which the OpenAPI
document, the landing page and the page for people are written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, request

from geo_service.web.api.media import MEDIA_TYPES, Format, chosen_format
from geo_service.web.api.parameters import ParameterError, check_encoding, read
from geo_service.web.api.problems import open_to_all, parameter_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.web.api.parameters import Parameter

__all__ = ["Asked", "Operation", "api", "operation", "operations"]

Asked = dict[str, Any]
"""The values of an operation's parameters by name."""

Handler = Callable[..., Response]

api = Blueprint("api", __name__, url_prefix="/api/v1")
_METHODS: Final = "GET, HEAD, OPTIONS"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked.

    `path` is below ``/api/v1``, with at most one ``{name}`` at its end; `key` describes that.
    `answers` has a JSON Schema per format, the default format first. `refusals` says which
    statuses besides 400 and 503 there are, and why. `example` ends the address of an example.
    """

    name: str
    path: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    answers: Mapping[Format, Mapping[str, Any]]
    example: str
    refusals: Mapping[int, str] = field(default_factory=dict)
    key: str = ""

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats it answers in, the default one first."""
        return tuple(self.answers)


_OPERATIONS: Final[list[Operation]] = []


def operations() -> list[Operation]:
    """Return all operations, by their addresses."""
    return sorted(_OPERATIONS, key=lambda one: one.path)


def operation(declared: Operation) -> Callable[[Handler], Handler]:
    """Put a function on the address of `declared`.

    The function gets the parameters' values and the format; of a path that ends with a key,
    also the key as ``key``. What it raises as `ParameterError` becomes a problem.
    """

    def register(handler: Handler) -> Handler:
        _OPERATIONS.append(declared)
        view = _keyed(declared, handler) if declared.key else _plain(declared, handler)
        path = declared.path.partition("{")[0] + ("<path:key>" if declared.key else "")
        for address in ("", "/") if path == "/" else (path,):
            api.add_url_rule(address, declared.name, view, methods=["GET"])
        if not declared.key and len(declared.formats) > 1:
            for name in declared.formats:
                own = f"{declared.name}_{name}"
                options = {"extension": name}
                api.add_url_rule(f"{path}.{name}", own, view, methods=["GET"], defaults=options)
        return handler

    return register


def _plain(declared: Operation, handler: Handler) -> Handler:
    @wraps(handler)
    def view(extension: Format | None = None) -> Response:
        check_encoding(request.query_string)
        return _answered(declared, handler, extension)

    return view


def _keyed(declared: Operation, handler: Handler) -> Handler:
    """Answer for a key, or for a key with an extension where there is no such key."""

    @wraps(handler)
    def view(key: str) -> Response:
        check_encoding(request.query_string)
        stem, dot, extension = key.rpartition(".")
        named = next((name for name in declared.formats if dot and name == extension), None)
        try:
            return _answered(declared, handler, None, key=key)
        except ParameterError as error:
            if error.status != 404 or named is None:
                raise
        return _answered(declared, handler, named, key=stem)

    return view


def _answered(
    declared: Operation, handler: Handler, extension: Format | None, **path: str
) -> Response:
    asked = read(request.args, declared.parameters)
    format_ = chosen_format(declared.formats, extension)
    if format_ is None:
        types = ", ".join(MEDIA_TYPES[name].partition(";")[0] for name in declared.formats)
        raise ParameterError("Accept", types, request.headers.get("Accept"), status=406)
    response = handler(asked, format_, **path)
    if extension is None and len(declared.formats) > 1:
        response.headers["Vary"] = "Accept-Encoding, Accept"
    return response


@api.errorhandler(ParameterError)
def _refused(error: ParameterError) -> Response:
    return parameter_problem(error)


@api.after_request
def _for_other_sites(response: Response) -> Response:
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = "Accept, If-None-Match, X-Request-Id"
        response.headers["Access-Control-Max-Age"] = "86400"
    return open_to_all(response)
