"""The servers of a run: those of all tests, where the gateway's namespace can reach them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.chaos.network import KAFKA_HOST, NEIGHBOURS, OTHER_HOST
from tests.servers.base import Server
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres


class NeighbourlyPostgres(Postgres):
    """A cluster that also trusts the namespace next door."""

    def prepare(self) -> None:
        """Make the cluster, and let the neighbours in."""
        super().prepare()
        with (self.folder / "data" / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(f"host all all {NEIGHBOURS} trust\n")


@dataclass(frozen=True)
class Servers:
    """One of each, running."""

    kafka: Kafka
    mosquitto: Mosquitto
    postgres: Postgres
    database: str

    @property
    def database_url(self) -> str:
        """The ledger's address, as SQLAlchemy takes it."""
        return self.postgres.url(self.database)

    def named(self, name: str) -> Server:
        """The server of that name."""
        return {"kafka": self.kafka, "mosquitto": self.mosquitto, "postgres": self.postgres}[name]


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Kafka on the line that is cut, the others on the line that is not."""
    # What Mosquitto took in the last half second before a kill is lost: that is what the acknowledgements are for.
    kafka, mosquitto, postgres = Kafka(), Mosquitto(autosave_s=2), NeighbourlyPostgres()
    kafka.host, mosquitto.host, postgres.host = KAFKA_HOST, OTHER_HOST, OTHER_HOST
    with ExitStack() as stack:
        for server in (kafka, mosquitto, postgres):
            stack.enter_context(server)
        yield Servers(kafka, mosquitto, postgres, postgres.new_database("chaos"))
