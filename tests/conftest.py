"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgis import postgis_cluster, postgis_url
from redis_server import redis_url

from geo_service import config
from geo_service.pipeline import Workshop
from geo_service.snapshot import Territory, load_territory
from geo_service.store import Store

__all__ = ["postgis_cluster", "postgis_url", "redis_url"]

# A shell that starts the tests in the background has SIGINT ignored, and what tests start
# would inherit that: Ctrl-C, which some of them press, would do nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = (
    "test_store.py",
    "test_api_contract.py",
    "test_browser_barriers.py",
    "test_browser_planning.py",
    "test_browser_embed.py",
    "test_browser.py",
    "test_browser_scenario.py",
    "test_browser_pages.py",
    "test_api_under_import.py",
    "test_reading.py",
    "test_scripts.py",
    "test_serving.py",
    "test_browser_search.py",
    "test_browser_languages.py",
    "test_browser_siting.py",
    "test_browser_map.py",
    "test_browser_long_names.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left with it while others idle."""
    rank = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session")
def territory() -> Territory:
    """The Land as it is shipped; read-only."""
    return load_territory(config.data_dir())


@pytest.fixture(scope="session")
def example_file() -> Path:
    """The example records as they are shipped."""
    return config.data_dir() / "initiativen" / "initiativen.csv"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'geo-service.db'}"


@pytest.fixture
def workshop(sqlite_url: str, territory: Territory) -> Iterator[Workshop]:
    """An empty store and the Land, without an online geocoder."""
    with Store(sqlite_url) as store:
        store.migrate()
        yield Workshop(store, territory)
