"""The servers as fixtures: one of each a session (a worker of xdist has its own), made when a test first asks.

A test that kills the shared server leaves it running again. A test with wishes of its own makes one:
`with Mosquitto(users={"engine": "secret"}) as broker: ...`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from tests.servers.base import Server, ServerMissing, refuse_or_skip
from tests.servers.chromium import Chromium
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.prometheus import Prometheus

AnyServer = TypeVar("AnyServer", bound=Server | Chromium)


@contextmanager
def running(make: type[AnyServer]) -> Iterator[AnyServer]:
    """Run a server for the length of a block; where the machine lacks it, skip or, in CI, fail."""
    server = None
    try:
        server = make()
        server.start()
    except ServerMissing as error:
        if isinstance(server, Server):
            server.remove()
        refuse_or_skip(error)
    assert server is not None
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    """An MQTT broker with persistence, open to everybody."""
    with running(Mosquitto) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL cluster; most tests want `postgres_url`."""
    with running(Postgres) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The SQLAlchemy address of an empty database of this test's own."""
    database = postgres.new_database(request.node.name)
    yield postgres.url(database)
    postgres.drop_database(database)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """An Apache Kafka broker without topics; tests name topics and groups of their own."""
    with running(Kafka) as server:
        yield server


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    """A Prometheus that scrapes what a test names."""
    with running(Prometheus) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A headless browser."""
    with running(Chromium) as browser:
        yield browser
