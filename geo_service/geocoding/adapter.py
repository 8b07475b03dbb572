"""One HTTP request with an end, and why one failed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from geopy.adapters import AdapterHTTPError, BaseSyncAdapter, get_retry_after
from geopy.exc import (
    GeocoderParseError,
    GeocoderRateLimited,
    GeocoderTimedOut,
    GeocoderUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geo_service.schema import FailureKind

MAX_ANSWER_BYTES: Final = 2_000_000


class _NoRedirect(HTTPRedirectHandler):
    """A geocoder that moved is the operator's decision, not ours."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class OneRequestAdapter(BaseSyncAdapter):  # type: ignore[misc]
    """One request per call, with an end.

    geopy's `RequestsAdapter` repeats a failed connection twice on its own, and neither of its
    adapters bounds the length of an answer or the time a trickling one takes.
    """

    def __init__(self, *, proxies: Mapping[str, str] | None, ssl_context: Any) -> None:
        super().__init__(proxies=proxies, ssl_context=ssl_context)
        self._opener = build_opener(
            ProxyHandler(dict(proxies) if proxies is not None else None),
            HTTPSHandler(context=ssl_context),
            _NoRedirect(),
        )

    def get_json(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> Any:
        """Return the answer read as JSON; raises what geopy expects of an adapter."""
        text = self.get_text(url, timeout=timeout, headers=headers)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise GeocoderParseError(f"not JSON: {text[:60]!r}") from error

    def get_text(self, url: str, *, timeout: float, headers: Mapping[str, str]) -> str:
        """Return the answer as text; raises what geopy expects of an adapter."""
        request = Request(url, headers=dict(headers))  # noqa: S310 (scheme is checked)
        deadline = time.monotonic() + timeout
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return _read_text(answer, deadline)
        except HTTPError as error:
            with error:
                names = {name.lower(): value for name, value in error.headers.items()}
                raise AdapterHTTPError(
                    f"HTTP {error.code}", status_code=error.code, headers=names, text=None
                ) from error
        except TimeoutError as error:
            raise GeocoderTimedOut(f"no answer within {timeout:g} s") from error
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise GeocoderTimedOut(f"no answer within {timeout:g} s") from error
            raise GeocoderUnavailable(f"no connection: {reason}") from error


def _read_text(answer: Any, deadline: float) -> str:
    parts, size = [], 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise GeocoderParseError(f"answer longer than {MAX_ANSWER_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    try:
        return b"".join(parts).decode("utf-8")
    except UnicodeDecodeError as error:
        raise GeocoderParseError("answer is not UTF-8") from error


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed. `for_all`: no other address would fare better."""

    kind: FailureKind
    detail: str
    retry_after_s: float | None = None
    for_all: bool = False


def describe_failure(error: Exception) -> Failure:
    """Say what an exception of a request, or of reading its answer, means."""
    cause = error.__cause__
    if isinstance(cause, AdapterHTTPError):
        status = cause.status_code
        detail = f"HTTP {status}"
        if 300 <= status < 400:
            detail += f", verweist auf {cause.headers.get('location', '?')[:120]}"
        return Failure(
            _kind_of_status(status),
            detail,
            get_retry_after(cause.headers),
            for_all=300 <= status < 400 or status in {401, 403, 404, 407},
        )
    if isinstance(error, GeocoderTimedOut):
        return Failure("timeout", str(error))
    if isinstance(error, GeocoderRateLimited):
        return Failure("rate_limited", str(error), error.retry_after)
    if isinstance(error, GeocoderUnavailable):
        return Failure("unavailable", str(error))
    return Failure("bad_answer", f"{type(error).__name__}: {str(error)[:120]}")


def _kind_of_status(status: int) -> FailureKind:
    if status in {402, 429, 509}:
        return "rate_limited"
    if status in {408, 504}:
        return "timeout"
    return "unavailable" if status >= 500 else "refused"
