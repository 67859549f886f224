"""One line of migrations that makes exactly the tables, and a plain refusal of what a later release wrote."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from alerting.ledger import Ledger, UnknownSchema, tables
from alerting.ledger.database import MIGRATIONS, Database
from alerting.ledger.tables import metadata


def test_there_is_one_head_and_it_is_the_written_one():
    """Two migrations made side by side meet as a conflict in `current-head`, not as two heads in production."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [
        (MIGRATIONS / "current-head").read_text().strip()
    ]


def test_the_migrations_make_the_tables_of_the_code(url):
    with Ledger.open(url) as ledger, ledger.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def earlier_revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return sorted(one.revision for one in ScriptDirectory.from_config(config).walk_revisions())[:-1]


@pytest.mark.parametrize("revision", earlier_revisions())
def test_a_database_of_each_earlier_revision_is_brought_to_this_one_with_what_it_holds(url, revision):
    database = Database(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(tables.bundles.insert(), {"hash": "abc", "canonical": b"{}"})
    database.close()
    with Ledger.open(url) as ledger:
        assert ledger.load_bundle("abc") == b"{}"
        assert ledger.owed_acts() == 0
        assert ledger.hops_of(["n-none"]) == {}
        with ledger.database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_of_a_later_release_is_refused_in_one_sentence(url):
    Ledger.open(url).close()
    database = Database(url)
    with database.write() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(UnknownSchema, match="schema 9999, which this release does not know"):
        database.migrate()
    database.close()


def test_sqlite_is_durable(tmp_path):
    with Ledger.open(str(tmp_path / "state.db")) as ledger, ledger.database.read() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2  # FULL
