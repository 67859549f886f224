"""Apache Kafka: one node in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient

from tests.servers.base import Server, ServerMissing, program, spare_port

ROOT = Path(__file__).resolve().parents[2]

LOG4J = """\
Configuration:
  status: error
  Appenders:
    Console: {name: console, PatternLayout: {pattern: "%d %p %c{1} %m%n"}}
  Loggers:
    Root: {level: warn, AppenderRef: [{ref: console}]}
"""


def kafka_jars() -> Path:
    """Return the folder of the broker's jars, put there by deploy/setup/servers.sh."""
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text()
    version = re.search(r"<kafka\.version>(.*)</kafka\.version>", pom)
    assert version, "deploy/kafka/pom.xml names no kafka.version"
    jars = ROOT / ".cache" / f"kafka-{version[1]}" / "libs"
    if not any(jars.glob("kafka_*.jar")):
        raise ServerMissing(f"the jars of Kafka {version[1]} are not in {jars.relative_to(ROOT)}")
    return jars


class Kafka(Server):
    """A broker for tests: no topic by itself, groups that form at once, data that outlive `kill` and `restart`."""

    name = "kafka"
    start_timeout_s = 90.0

    def __init__(self, heap_mb: int = 512) -> None:
        super().__init__()
        self.controller_port = spare_port()
        self.heap_mb = heap_mb

    @property
    def bootstrap(self) -> str:
        """Return the address that clients start from."""
        return f"{self.host}:{self.port}"

    def _java(self, *words: str) -> list[str]:
        return [
            program("java"),
            f"-Xmx{self.heap_mb}m",
            "-XX:+UseSerialGC",
            f"-Dkafka.logs.dir={self.folder}/logs",
            f"-Dlog4j2.configurationFile={self.folder}/log4j2.yaml",
            "-cp",
            f"{kafka_jars()}/*",
            *words,
        ]

    def settings(self) -> dict[str, str]:
        """Return what server.properties says."""
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            # A quorum made by `format --standalone` is dynamic: controller.quorum.voters must be absent.
            "controller.quorum.bootstrap.servers": f"{self.host}:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.host}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": f"{self.folder}/data",
            "num.partitions": "4",
            # 50 partitions by default: opening them is most of the wait of the first group on two cores.
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # After a kill the controller refuses the same node until its old session has run out: 9 s by default.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "auto.create.topics.enable": "false",
        }

    def format_words(self) -> list[str]:
        """Return more words for the format, such as first users."""
        return []

    def prepare(self) -> None:
        """Write the configuration and format the folder of the data: once only, or the broker refuses it."""
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in self.settings().items()))
        (self.folder / "log4j2.yaml").write_text(LOG4J)
        storage = self._java("kafka.tools.StorageTool")
        identity = subprocess.run(
            [*storage, "random-uuid"], check=True, capture_output=True, text=True
        ).stdout
        words = ["format", "--standalone", "-t", identity.strip().splitlines()[-1], "-c", str(path)]
        formatted = subprocess.run(
            [*storage, *words, *self.format_words()],
            check=False,  # its own words are better than the exit code
            capture_output=True,
            text=True,
        )
        if formatted.returncode:
            raise RuntimeError(f"kafka format failed:\n{formatted.stdout}{formatted.stderr}")

    def command(self) -> Sequence[str]:
        """Run broker and controller in one process."""
        return self._java("kafka.Kafka", str(self.folder / "server.properties"))

    def create_topic(self, name: str, partitions: int = 4, configs: Mapping[str, str] | None = None) -> None:
        """Create a topic; what the broker refuses raises a `kafka.errors.KafkaError` by its name."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            wanted: dict[str, Any] = {"num_partitions": partitions, "replication_factor": 1}
            if configs:
                wanted["configs"] = dict(configs)
            admin.create_topics({name: wanted})
            # The controller's word comes before the brokers know of it.
            admin.wait_for_topics([name])
        finally:
            admin.close()
