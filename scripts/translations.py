"""Keep the catalogues in geo_service/translations/ true to the texts of pages and code.

    .venv/bin/python scripts/translations.py update   write .po anew, then all below
    .venv/bin/python scripts/translations.py compile  write .mo and script.json from .po
    .venv/bin/python scripts/translations.py check    name what is missing; exit code 1

German is the source and has no catalogue. A message is found where a template says
``_("…")`` or ``{% trans %}``, Python ``gettext``, ``ngettext`` or ``N_`` (a text that is
translated where it is shown), and a script ``gettext`` or ``ngettext`` of js/texts.js.
Everything written here depends on those texts alone: no dates, no line numbers. A text
that changed is a new message, never a guess from the old one.
"""

from __future__ import annotations

import gettext
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

__all__ = [
    "PLURALS",
    "catalogue_path",
    "compiled",
    "extract",
    "faults",
    "read_catalogue",
    "script_texts",
    "updated",
    "written",
]

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "geo_service" / "translations"

PLURALS: Final = {
    "en": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "uk": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 &&"
    " (n%100<12 || n%100>14) ? 1 : 2);",
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 &&"
    " (n%100<12 || n%100>14) ? 1 : 2);",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 :"
    " n%100>=11 ? 4 : 5);",
    "fa": "nplurals=2; plural=(n > 1);",
    "tr": "nplurals=2; plural=(n != 1);",
}
"""The languages that have a catalogue, with gettext's form of CLDR's plural rules."""

HEADER: Final = "# Texts of geo-service. Written by scripts/translations.py."

_SOURCES: Final[tuple[tuple[str, str, str], ...]] = (
    ("templates", "**.html", "jinja2"),
    ("geo_service/web", "**.py", "python"),
    ("geo_service/static/js", "**.js", "javascript"),
)
"""Folder, files in it, and how Babel reads them."""

_OPTIONS: Final = {"**.html": {"trimmed": "true", "silent": "false"}}
_KEYWORDS: Final[dict[str, Any]] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
_PLACEHOLDER: Final = re.compile(r"%%|%(?:\(\w+\))?[a-z]", re.IGNORECASE)
_NUMBERS: Final = range(1000)


class StableCatalog(Catalog):
    """A catalogue whose header says what tools need, and nothing that changes by itself."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """Return the header's lines."""
        return [
            ("Project-Id-Version", "geo-service"),
            ("Language", str(self.locale)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]

    @property
    def plural_forms(self) -> str:
        """Return the rule by which a number takes its form."""
        return PLURALS[str(self.locale)]

    @property
    def num_plurals(self) -> int:
        """Return how many forms there are."""
        found = re.match(r"nplurals=(\d)", self.plural_forms)
        return int(found[1]) if found else 2


def catalogue_path(code: str, name: str = "LC_MESSAGES/messages.po") -> Path:
    """Return where a file of the language `code` lies."""
    return FOLDER / code / name


def extract() -> Catalog:
    """Return every message of pages and code, with the files it stands in."""
    found = Catalog()
    for folder, files, method in _SOURCES:
        messages = extract_from_dir(
            ROOT / folder, [(files, method)], _OPTIONS, _KEYWORDS, strip_comment_tags=True
        )
        for name, _line, message, _comments, context in messages:
            found.add(message, locations=[(f"{folder}/{name}", 0)], context=context)
    return found


def read_catalogue(code: str) -> StableCatalog:
    """Return the catalogue of `code` as it lies on disk; empty where there is none."""
    path = catalogue_path(code)
    if not path.exists():
        return StableCatalog(locale=code, fuzzy=False)
    with path.open("rb") as file:
        return _stable(read_po(file, locale=code), code)


def _stable(catalog: Iterable[Message], code: str) -> StableCatalog:
    stable = StableCatalog(locale=code, header_comment=HEADER, fuzzy=False)
    for message in catalog:
        if message.id:
            stable[message.id] = message
    return stable


def updated(code: str, template: Catalog) -> StableCatalog:
    """Return the catalogue of `code` with exactly the messages of `template`.

    A translation stays with its message; a new message is empty.
    """
    known = read_catalogue(code)
    fresh = StableCatalog(locale=code, header_comment=HEADER, fuzzy=False)
    for message in template:
        if not message.id:
            continue
        old = known.get(message.id, context=message.context)
        same = old is not None and old.id == message.id
        files = sorted({name for name, _ in message.locations})
        fresh.add(
            message.id,
            old.string if old is not None and same else None,
            locations=[(name, 0) for name in files],
            context=message.context,
        )
    return fresh


def written(catalog: StableCatalog) -> bytes:
    """Return the text of a .po file."""
    out = io.BytesIO()
    write_po(out, catalog, width=100, sort_output=True, include_lineno=False)
    return out.getvalue()


def compiled(catalog: StableCatalog) -> bytes:
    """Return the bytes of a .mo file."""
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def script_texts(catalog: StableCatalog) -> bytes:
    """Return the texts of the scripts as JSON: message -> text, or -> form by CLDR's kind."""
    forms = _forms_by_kind(str(catalog.locale), catalog.plural_forms)
    texts: dict[str, str | dict[str, str]] = {}
    for message in catalog:
        own = _texts(message)
        if not all(own) or not any(name.endswith(".js") for name, _ in message.locations):
            continue
        source, *plural = _sources(message)
        texts[source] = {kind: own[at] for kind, at in forms.items()} if plural else own[0]
    text = json.dumps(texts, ensure_ascii=False, indent=1, sort_keys=True)
    return f"{text}\n".encode()


def _sources(message: Message) -> tuple[str, ...]:
    """Return the German text, or that for one and that for more."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _texts(message: Message) -> tuple[str, ...]:
    """Return the translation, or its forms; empty where there is none."""
    if message.string is None or isinstance(message.string, str):
        return (message.string or "",)
    return tuple(text or "" for text in message.string)


def _forms_by_kind(code: str, rule: str) -> dict[str, int]:
    """Return for each of CLDR's kinds of numbers (one, few, …) the number of gettext's form.

    Raises
    ------
    ValueError
        If the two rules differ for a whole number.
    """
    form: Callable[[int], int] = gettext.c2py(rule.split("plural=")[1].rstrip(";"))
    kind_of = Locale.parse(code).plural_form
    kinds: dict[str, int] = {}
    for count in _NUMBERS:
        if kinds.setdefault(kind_of(count), form(count)) != form(count):
            raise ValueError(f"{code}: gettext's rule and CLDR's differ at {count}")
    kinds.setdefault("other", max(kinds.values()))
    return dict(sorted(kinds.items()))


def faults(code: str, template: Catalog) -> list[str]:
    """Say what is wrong with the catalogue of `code`: nothing, if it is complete and right."""
    catalog = read_catalogue(code)
    known = {_key(message): message for message in catalog if message.id}
    wanted = {_key(message) for message in template if message.id}
    found = [f"{code}: not in the catalogue: {key[0]!r}" for key in sorted(wanted - known.keys())]
    found += [f"{code}: no longer used: {key[0]!r}" for key in sorted(known.keys() - wanted)]
    for message in known.values():
        found += [f"{code}: {fault}: {message.id!r}" for fault in _message_faults(message, catalog)]
    return found


def _key(message: Message) -> tuple[str, ...]:
    return (*_sources(message), message.context or "")


def _message_faults(message: Message, catalog: StableCatalog) -> list[str]:
    sources, texts = _sources(message), _texts(message)
    plural = len(sources) > 1
    if len(texts) != (catalog.num_plurals if plural else 1) or not all(texts):
        return ["not translated"]
    found = ["marked as a guess"] if "fuzzy" in message.flags else []
    wanted = set(_PLACEHOLDER.findall(sources[-1]))
    for text in texts:
        own = set(_PLACEHOLDER.findall(text))
        # The form for one number alone may spell it out: "ein Ort".
        if own != wanted and not (plural and own < wanted):
            found.append(f"placeholders {sorted(own)} instead of {sorted(wanted)}")
        if (text[:1].isspace(), text[-1:].isspace()) != _blank_ends(sources[-1]):
            found.append("white space at its ends differs")
    return found


def _blank_ends(text: str) -> tuple[bool, bool]:
    return text[:1].isspace(), text[-1:].isspace()


def _write_compiled(code: str) -> None:
    catalog = read_catalogue(code)
    catalogue_path(code, "LC_MESSAGES/messages.mo").write_bytes(compiled(catalog))
    catalogue_path(code, "script.json").write_bytes(script_texts(catalog))


def main(arguments: Sequence[str]) -> int:
    """Do what `arguments` names: update, compile or check."""
    if len(arguments) != 1 or arguments[0] not in {"update", "compile", "check"}:
        print("expected one of: update, compile, check", file=sys.stderr)
        return 2
    template = extract()
    for code in PLURALS:
        if arguments[0] == "update":
            path = catalogue_path(code)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written(updated(code, template)))
        if arguments[0] != "check":
            _write_compiled(code)
    found = [fault for code in PLURALS for fault in faults(code, template)]
    print("\n".join(found) or f"{len(template)} messages in {len(PLURALS)} languages: complete")
    return int(bool(found) and arguments[0] == "check")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
