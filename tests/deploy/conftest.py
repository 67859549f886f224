"""A secured deployment, one a session: what it takes to start is more than what most tests of it take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.secured import Secured
from tests.servers.base import ServerMissing, refuse_or_skip


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = Secured(tmp_path_factory.mktemp("secured"))
    try:
        made.start()
        yield made
    except ServerMissing as error:
        refuse_or_skip(error)
    finally:
        made.close()
