"""Sessions of PostgreSQL: who falls asleep in a transaction keeps nobody else from writing."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alerting.ledger import database
from alerting.ledger.database import Database


def test_a_sleeper_in_a_transaction_loses_its_locks(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_IDLE_S", 1.0)
    sleeper, other = Database(postgres_url), Database(postgres_url)
    with other.write() as connection:
        connection.execute(text("CREATE TABLE places (name text PRIMARY KEY, seen int)"))
        connection.execute(text("INSERT INTO places VALUES ('here', 0)"))

    def fall_asleep() -> None:
        with sleeper.write() as connection:
            connection.execute(text("UPDATE places SET seen = 1"))
            began_s = time.monotonic()
            with other.write() as beside:
                beside.execute(text("UPDATE places SET seen = 2"))
            assert time.monotonic() - began_s < 30
            connection.execute(text("UPDATE places SET seen = 3"))

    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        fall_asleep()

    with other.write() as connection:
        assert connection.execute(text("SELECT seen FROM places")).scalar_one() == 2
    sleeper.engine.dispose()
    other.engine.dispose()
