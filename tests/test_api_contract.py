"""The OpenAPI document is the truth: requests made from it find no answer that differs.

`API_EXAMPLES` says how many requests are made for each operation beside those that follow
from the limits of its parameters; the default makes over 5,000 in all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from api_world import SPREAD
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from web_helpers import NOW, TODAY, app_of, fill, initiatives_of, small_territory

from geo_service import pipeline
from geo_service.coverage import CoverageParameters
from geo_service.pipeline import Workshop
from geo_service.schema import Demand
from geo_service.siting import SitingProblem, SitingResult, solve
from geo_service.store import Store
from geo_service.web.api.operations import operations
from geo_service.web.planning import sites

DOCUMENT: Final = "/api/v1/openapi.json"
PER_OPERATION: Final = int(os.environ.get("API_EXAMPLES", "200"))
SETTINGS: Final = {
    "seed": 20261122,
    "workers": 1,
    "continue-on-failure": True,
    "generation": {"max-examples": PER_OPERATION, "database": "none"},
    # The client in this process does not unpack what it asks for otherwise.
    "headers": {"Accept-Encoding": "identity"},
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with Store(f"sqlite:///{tmp_path / 'web.db'}") as store:
        store.migrate()
        fill(store, initiatives_of(SPREAD))
        workshop = Workshop(store, small_territory())
        pipeline.take_state(workshop, name="Vorher", parameters=CoverageParameters(), today=TODAY)
        store.save_demand(
            Demand("schutzsuchende-2024", "Neu", "kreis", {"07131": 80.0, "07211": None}, "©"),
            now=NOW,
        )
        yield app_of(store, workshop.territory)


KNOWN: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "area": ("[0-9]{2}|[0-9]{5}|[0-9]{8,9}", ("07", "07131", "07131001")),
    "within": ("[0-9]{2}|[0-9]{5}|[0-9]{8,9}", ("07", "07131", "071315001")),
    "demand": ("[a-z0-9-]+", ("schutzsuchende-2024",)),
    "state": ("[a-z0-9-]+", ("vorher",)),
    "excluded": ("[0-9]{8}", ("07131001", "07131002")),
    "forced": ("[0-9]{8}", ("07131002", "07211000")),
}
"""What there is of what random keys and names nearly never hit."""


def map_query(context: object, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Put half of the well-formed keys and names in place of some that exist."""

    def known(text: object, rule: str, names: tuple[str, ...]) -> object:
        if not isinstance(text, str) or not re.fullmatch(rule, text, re.ASCII):
            return text
        number = sum(map(ord, text)) % (2 * len(names))
        return names[number] if number < len(names) else text

    for name, (rule, names) in KNOWN.items():
        given = (query or {}).get(name)
        if query and isinstance(given, list):
            query[name] = [known(one, rule, names) for one in given]
        elif query and given is not None:
            query[name] = known(given, rule, names)
    return query


@pytest.mark.timeout(600)
def test_no_request_made_from_the_document_finds_another_answer(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve_here(problem: SitingProblem, *goal: Any, quick: object, **limit: Any) -> SitingResult:
        """A child process for every exact answer would take most of the time of this test."""
        return solve(problem, *goal, **limit)

    monkeypatch.setattr(sites, "solve_in_process", solve_here)
    config = SchemathesisConfig.from_dict(SETTINGS)
    schema = schemathesis.openapi.from_wsgi(DOCUMENT, app, config=config)
    schema.hook(map_query)
    requests = 0
    faults: list[str] = []
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            requests += len(recorder.interactions)
            faults += [
                f"{recorder.interactions[name].request.uri}: {check.failure_info.failure}"
                for name, checks in recorder.checks.items()
                for check in checks
                if check.failure_info is not None
            ]
    assert not faults, "\n\n".join(faults[:10])
    assert requests > min(5_000, 20 * PER_OPERATION)


def test_the_document_names_every_operation_and_parameter_that_is_read(app: Flask) -> None:
    document = app.test_client().get(DOCUMENT).get_json()
    assert document["openapi"] == "3.1.0"
    described = {
        operation["operationId"]: {one["name"] for one in operation["parameters"]}
        for path in document["paths"].values()
        for operation in path.values()
    }
    for one in operations():
        named = {parameter.name for parameter in one.parameters}
        assert described[one.name] - {"id", "key"} == named
    rules = {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint[:4] == "api."}
    assert rules == {f"api.{name}" for name in described}


def test_every_example_of_the_document_is_answered(app: Flask) -> None:
    client = app.test_client()
    for one in operations():
        address = f"/api/v1/{one.example.replace('{id}', 'ort-1').replace('07137', '07131')}"
        assert client.get(address).status_code == 200, address
