"""The deployment under test: two gateways, two workers and a third, two dispatchers, and the hands that break them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, TopicPartition

from alerting.ledger import Ledger
from runtime.configuration.loading import load
from runtime.logs.topics import LOG, partition_of
from schemas.times import Micros
from tests.chaos.configuration import Surroundings, make_configuration
from tests.chaos.decided import unsettled
from tests.chaos.faults import Hands
from tests.chaos.network import Network
from tests.chaos.programs import Program, Supervisor
from tests.chaos.receivers import SECRET, Receivers
from tests.chaos.servers import Servers

READY_S = 300.0
DRAIN_S = 420.0
SENDS_S = 20.0
"""How long the kill of a dispatcher waits for one to send something."""
_COMMAND_S = 600.0
_LOOK_S = 0.5
_RESTS_S = 3.0
_ENVIRONMENT = {"FENGHUO_WEBHOOK_SECRET": SECRET, "FENGHUO_SMPP_PASSWORD": "chaos"}


class Deployment:
    """All programs over one configuration.

    Parameters
    ----------
    starts_us, set_at
        What the clock of all programs shows at that moment of the machine's.
    """

    def __init__(
        self,
        folder: Path,
        servers: Servers,
        network: Network,
        receivers: Receivers,
        starts_us: Micros,
        set_at: datetime,
    ) -> None:
        self._servers, self._network, self._receivers = servers, network, receivers
        around = Surroundings(
            servers.kafka.bootstrap,
            (servers.mosquitto.host, servers.mosquitto.port),
            servers.database_url,
            ("127.0.0.1", receivers.smpp_port),
            receivers.webhook.url,
        )
        self.config = make_configuration(folder / "config", around, starts_us, set_at)
        self.bundle = load(self.config).bundle
        config = ["--config", str(self.config)]
        logs = folder / "output"
        logs.mkdir()

        def program(name: str, *words: str, prefix: Sequence[str] = ()) -> Program:
            return Program(name, [*words, *config], logs, _ENVIRONMENT, prefix)

        self._supervisor = Supervisor(
            [
                program("gateway-1", "gateway", "--name", "1", prefix=network.prefix),
                program("gateway-2", "gateway", "--name", "2"),
                *(program(f"worker-{number}", "worker") for number in (1, 2, 3)),
                *(program(f"dispatcher-{n}", "dispatch", "--name", f"dispatch-{n}") for n in (1, 2)),
            ]
        )
        self.programs = self._supervisor.programs
        self.ledger: Ledger
        self._unwilling: list[str] = []

    def __enter__(self) -> Self:
        self.command("configure", str(self.config))
        self.ledger = Ledger.open(self._servers.database_url)
        self._supervisor.start()
        for name, program in self.programs.items():
            if name != "worker-3":
                program.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.stop()
        self.ledger.close()

    def command(self, *words: str) -> None:
        """Run one of our commands to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "runtime.cli", *words],
            env=os.environ | {"PYTHONPATH": "."} | _ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"fenghuo {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")

    def wait_ready(self) -> None:
        """Wait until all programs that are to run say that they are ready."""
        wanted = [program for program in self.programs.values() if program.wanted]
        wait_until(
            "the programs",
            lambda: all(program.is_ready() for program in wanted),
            READY_S,
            lambda: ", ".join(program.name for program in wanted if not program.is_ready()),
        )

    @property
    def hands(self) -> Hands:
        """How each fault begins and ends."""
        return {
            "kill": (self._kill, lambda _: None),
            "crash": (
                lambda name: self._servers.named(name).kill(),
                lambda name: _start(self._servers, name),
            ),
            "pause": (lambda name: self.programs[name].pause(), lambda name: self.programs[name].wake()),
            "cut": (lambda _: self._network.cut(), lambda _: self._network.mend()),
            "add": (lambda name: self.programs[name].start(), self._remove),
        }

    def _kill(self, name: str) -> None:
        if name.startswith("dispatcher"):
            # In the middle of a sending: what has left and has no answer is what must not be told twice.
            self._receivers.wait_for_a_notice(SENDS_S)
        self.programs[name].kill()

    def _remove(self, name: str) -> None:
        # A worker that never joined takes nothing with it when it leaves.
        wait_until(name, self.programs[name].is_ready, READY_S)
        self._stop(name)

    def _stop(self, name: str) -> None:
        wanted = self.programs[name].wanted
        status = self.programs[name].stop()
        if wanted and status != 0:
            self._unwilling.append(f"{name} ended with {status} when it was asked to")

    def drain(self) -> None:
        """Close the door, and wait until all that is in the log is decided, and all that is due has been sent."""
        self.wait_ready()
        for name in ("gateway-1", "gateway-2"):
            self._stop(name)
        wait_until("the log's end", self._rests, DRAIN_S, lambda: f"{self._behind()} records to decide")
        wait_until(
            "the notices to be sent",
            lambda: unsettled(self.ledger) == 0 and self._rests(),
            DRAIN_S,
            lambda: f"{unsettled(self.ledger)} notices wait",
        )
        for name in self.programs:
            self._stop(name)

    def deaths(self) -> list[str]:
        """Programs that ended by themselves, or not in order when they were stopped."""
        return [
            f"{program.name} ended by itself {program.deaths - program.kills} times"
            for program in self.programs.values()
            if program.deaths > program.kills
        ] + self._unwilling

    def _rests(self) -> bool:
        """Whether nothing is left to decide, and nothing comes in a while: what is decided may be forwarded."""
        before = self._ends()
        if self._behind(before):
            return False
        time.sleep(_RESTS_S)
        return self._ends() == before and not self._behind(before)

    def _behind(self, ends: dict[int, int] | None = None) -> int:
        ends = self._ends() if ends is None else ends
        reached = dict.fromkeys(ends, 0)
        for area in self.bundle.associations:
            partition = partition_of(area, len(ends))
            reached[partition] = max(reached[partition], self.ledger.checkpoint_position(area))
        return sum(max(0, end - reached[partition]) for partition, end in ends.items())

    def _ends(self) -> dict[int, int]:
        consumer = KafkaConsumer(bootstrap_servers=self._servers.kafka.bootstrap)
        try:
            partitions = [TopicPartition(LOG, number) for number in consumer.partitions_for_topic(LOG) or ()]
            return {one.partition: int(end) for one, end in consumer.end_offsets(partitions).items()}
        finally:
            consumer.close()


def wait_until(
    what: str, holds: Callable[[], bool], timeout_s: float, progress: Callable[[], str] = lambda: ""
) -> None:
    """Wait for a condition; where it does not come, say how far it got."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s: {progress()}")
        time.sleep(_LOOK_S)


def _start(servers: Servers, name: str) -> None:
    servers.named(name).start()
