"""The ledger's suite runs on both databases; a third joins by one line in `DATABASES`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerting.ledger import Ledger

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(params=DATABASES)
def url(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def ledger(url) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened
