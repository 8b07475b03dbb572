"""What a parameter is called, accepts and means: declared once, read and described from that.

A `Parameter` makes both the reader of a query string and its entry in the OpenAPI document,
so that the two cannot differ.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from geo_service.web.queries import is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from werkzeug.datastructures import MultiDict

__all__ = [
    "Parameter",
    "ParameterError",
    "check_encoding",
    "choice",
    "date",
    "moment",
    "number",
    "pattern",
    "read",
    "several",
    "whole_number",
]

Parse = Callable[[str], Any]
MAX_VALUES: Final = 20
"""Most values of one parameter."""
MOST_ECHOED: Final = 100
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,25})?", re.ASCII)
_COUNT: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.0{1,9})?", re.ASCII)
"""As JSON Schema has it, 10.0 is a whole number."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?"
    r"([Zz]|[+ -][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


class ParameterError(ValueError):
    """A parameter that cannot be read or met: which, what was expected and what came."""

    def __init__(
        self, parameter: str, expected: str, got: str | None, *, status: int = 400
    ) -> None:
        self.parameter = parameter[:MOST_ECHOED]
        self.expected = expected
        self.got = got if got is None else got[:MOST_ECHOED]
        self.status = status
        said = "nothing" if self.got is None else f"'{self.got}'"
        super().__init__(f"{self.parameter}: expected {expected}, got {said}")


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A parameter of a query string.

    `parse` raises ValueError for what `schema` (JSON Schema of one value) does not allow;
    `expected` says it in words. `many`: ``repeat`` where the parameter may be given several
    times, ``comma`` where its values are joined by commas; then `up_to` values.
    """

    name: str
    schema: Mapping[str, Any]
    parse: Parse
    expected: str
    meaning: str
    example: Any = None
    many: Literal["repeat", "comma"] | None = None
    required: bool = False
    default: Any = None
    up_to: int = MAX_VALUES

    def read(self, args: MultiDict[str, str]) -> Any:
        """Return the value in `args`: the default where there is none, a tuple where many.

        Raises
        ------
        ParameterError
            If it is given too often or none of those allowed.
        """
        texts = args.getlist(self.name)
        if not texts:
            return self.default
        if self.many != "repeat" and len(texts) > 1:
            raise ParameterError(self.name, "one value", ", ".join(texts))
        if self.many is None:
            return self._parsed(texts[0])
        values = texts[0].split(",") if self.many == "comma" else texts
        if len(values) > self.most:
            raise ParameterError(self.name, f"at most {self.most} values", str(len(values)))
        return tuple(dict.fromkeys(map(self._parsed, values)))

    @property
    def most(self) -> int:
        """How many values it may have at most, where it may have several."""
        return max(self.up_to, len(self.schema.get("enum", ())))

    def _parsed(self, text: str) -> Any:
        try:
            return self.parse(text)
        except ValueError:
            raise ParameterError(self.name, self.expected, text) from None

    def described(self) -> dict[str, Any]:
        """Return its Parameter Object (OpenAPI 3.1)."""
        schema: dict[str, Any] = dict(self.schema)
        if self.many:
            schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": self.most}
        if self.default not in (None, ()):
            schema["default"] = self.default
        entry: dict[str, Any] = {
            "name": self.name,
            "in": "query",
            "description": self.meaning,
            "schema": schema,
        }
        if self.required:
            entry["required"] = True
        if self.many:
            entry |= {"style": "form", "explode": self.many == "repeat"}
        if self.example is not None:
            entry["example"] = self.example
        return entry


@lru_cache(maxsize=64)
def _by_name(
    parameters: tuple[Parameter, ...],
) -> tuple[dict[str, Parameter], dict[str, Any], tuple[Parameter, ...]]:
    """Return parameters and their defaults by name, and those that are required."""
    known = {one.name: one for one in parameters}
    defaults = {one.name: one.default for one in parameters}
    return known, defaults, tuple(one for one in parameters if one.required)


def read(args: MultiDict[str, str], parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """Read a query string: the values of `parameters` by name, in their order.

    Raises
    ------
    ParameterError
        If one is missing, unknown, given too often or none of those allowed.
    """
    known, defaults, required = _by_name(parameters)
    asked = dict(defaults)
    for name in args:
        if name not in known:
            raise ParameterError(name, f"one of {', '.join(known) or 'no parameter'}", name)
        asked[name] = known[name].read(args)
    for parameter in required:
        if parameter.name not in args:
            raise ParameterError(parameter.name, parameter.expected, None)
    return asked


def check_encoding(query: bytes) -> None:
    """Refuse a query string that is not UTF-8.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if not is_utf8(query):
        raise ParameterError("query", "UTF-8", query.decode("ascii", "backslashreplace"))


# ------------------------------------------------------------------------ kinds of value


def whole_number(
    name: str, least: int, most: int, meaning: str, *, or_word: str = "", **more: Any
) -> Parameter:
    """Declare a whole number in decimal digits; or one word beside the numbers."""
    expected = f"a whole number from {least} to {most}" + (f" or '{or_word}'" if or_word else "")
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if or_word:
        schema = {"anyOf": [schema, {"type": "string", "enum": [or_word]}]}

    def parse(text: str) -> int | str:
        if or_word and text == or_word:
            return text
        digits = _COUNT.fullmatch(text)
        if not digits or not least <= int(digits[1]) <= most:
            raise ValueError
        return int(digits[1])

    return Parameter(name, schema, parse, expected, meaning, **more)


def number(name: str, least: float, most: float, meaning: str, **more: Any) -> Parameter:
    """Declare a decimal number, with a point."""
    schema = {"type": "number", "minimum": least, "maximum": most}

    def parse(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not least <= float(text) <= most:
            raise ValueError
        return float(text)

    return Parameter(name, schema, parse, f"a number from {least} to {most}", meaning, **more)


def choice(name: str, values: Iterable[str], meaning: str, **more: Any) -> Parameter:
    """Declare one of a fixed list of words."""
    allowed = tuple(values)
    known = frozenset(allowed)

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError
        return text

    schema = {"type": "string", "enum": list(allowed)}
    return Parameter(name, schema, parse, f"one of {', '.join(allowed)}", meaning, **more)


def several(name: str, values: Iterable[str], meaning: str, **more: Any) -> Parameter:
    """Declare words of a fixed list, joined by commas; none where it is not given."""
    return choice(name, values, meaning, many="comma", default=(), **more)


def pattern(
    name: str, rule: str, expected: str, meaning: str, *, parse: Parse = str, **more: Any
) -> Parameter:
    """Declare a text that `rule` matches (the common part of Python's and ECMA's syntax).

    ``max_length`` in `more` limits its characters.
    """
    matches = re.compile(rule, re.ASCII).fullmatch
    longest = more.pop("max_length", None)
    schema: dict[str, Any] = {"type": "string", "pattern": f"^(?:{rule})$"}
    if longest:
        schema["maxLength"] = longest

    def checked(text: str) -> Any:
        if not matches(text) or (longest and len(text) > longest):
            raise ValueError
        return parse(text)

    return Parameter(name, schema, checked, expected, meaning, **more)


def date(name: str, meaning: str, **more: Any) -> Parameter:
    """Declare a day, ``YYYY-MM-DD``."""

    def parse(text: str) -> dt.date:
        if not _DAY.fullmatch(text):
            raise ValueError
        return dt.date.fromisoformat(text)

    schema = {"type": "string", "format": "date"}
    return Parameter(name, schema, parse, "a day such as 2026-11-23", meaning, **more)


def moment(name: str, meaning: str, **more: Any) -> Parameter:
    """Declare a moment with its zone (RFC 3339), in UTC and cut to the minute.

    A ``+`` that a client did not encode arrives as a space, and is read as what it was.
    """
    expected = "a moment with its zone such as 2026-11-23T18:00:00+01:00"
    schema = {"type": "string", "format": "date-time"}
    return Parameter(name, schema, _read_moment, expected, meaning, **more)


def _read_moment(text: str) -> dt.datetime:
    found = _MOMENT.fullmatch(text)
    if not found:
        raise ValueError
    day, clock, seconds, zone = found.groups()
    if int(seconds or 0) > 60:  # 60 is a leap second
        raise ValueError
    local = dt.datetime.fromisoformat(f"{day}T{clock}{zone.upper().replace(' ', '+')}")
    try:
        return local.astimezone(dt.UTC)
    except OverflowError:  # hours before the year 1 or after 9999
        return local.replace(tzinfo=dt.UTC)
