"""The storm on the Kafka deployment, from its servers' start to their end.

stations ─MQTT─▶ Mosquitto ─▶ gateway-1, gateway-2 ─▶ Kafka ─▶ worker-1, worker-2 ─▶ PostgreSQL ─▶ console
people ◀─ SMS, loudspeakers, webhook ◀─ dispatch-1, dispatch-2 ◀────────────────────────┘
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console

from alerting.ledger import Ledger
from deploy.demo.programs import DemoFailed, Place, Program, run_once, wait_ready
from ingest.sources.kafka import GROUP
from ingest.sources.kafka import TOPIC as READINGS
from runtime.clock import MachineClock
from runtime.configuration.loading import load
from runtime.demo.feeder import Feeder, Spoken, in_arrays
from runtime.demo.pace import SharedClock
from runtime.demo.people import People, free_port
from runtime.demo.play import Standings, Storm, explain, introduce, settle, sum_up
from runtime.demo.screen import Screen
from runtime.demo.told import Told
from schemas.times import seconds
from tests.servers.base import ServerMissing, program
from tests.servers.kafka import Kafka, kafka_jars
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.tansu import Tansu

NO_RECOVERY = (
    "no Apache Kafka here (Java 17 or the jars from Maven Central are missing): this is Tansu, a broker in memory from the\n"
    "package index that speaks Kafka's protocol. It shows the way of a reading; it proves no recovery."
)
_STANDING = 0.001
"""The pace of a clock that all but stands."""
_CATCH_UP_S, _DRAIN_S = 180.0, 120.0
_REST_S = 5.0
"""Longer than a worker goes without a checkpoint while it has something to decide."""
_SETTLE_S = 60.0


@dataclass(frozen=True)
class Servers:
    """What a deployment finds there, running."""

    broker: Kafka | Tansu
    mosquitto: Mosquitto
    database_url: str


@contextmanager
def running_servers(broker: type[Kafka | Tansu]) -> Iterator[Servers]:
    """Start servers of our own on loopback, and stop them at the end."""
    with ExitStack() as stack:
        mosquitto, postgres = stack.enter_context(Mosquitto()), stack.enter_context(Postgres())
        kafka: Kafka | Tansu = broker()
        stack.enter_context(kafka)
        yield Servers(kafka, mosquitto, postgres.url(postgres.new_database("demo")))


def broker_for(choice: str) -> type[Kafka | Tansu]:
    """Apache Kafka, or Tansu where it is asked for or nothing else is there.

    Raises
    ------
    ServerMissing
        Apache Kafka is asked for and not there.
    """
    if choice == "tansu":
        return Tansu
    try:
        kafka_jars()
        program("java")
    except ServerMissing:
        if choice == "kafka":
            raise
        return Tansu
    return Kafka


def demonstrate(
    console: Console,
    *,
    broker: type[Kafka | Tansu],
    storm: Storm,
    lasts_s: float,
    keep: bool,
    data: Path,
) -> None:
    """Set the deployment up, play the storm on it, sum up, and stop all of it.

    Parameters
    ----------
    lasts_s
        How long the storm takes, in the machine's seconds.
    keep
        Afterwards all but the gateways stay up until a signal.
    data
        Folder of what was received and of the report; emptied first.

    Raises
    ------
    ServerMissing, DemoFailed
        Something is not there, or does not do its part.
    KeyboardInterrupt
        Before the storm has begun; afterwards a signal ends it early, in order and with the figures so far.
    """
    introduce(console, storm, lasts_s, ", on a Kafka deployment of its own")
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    _say(console, f"{broker.name}, mosquitto and postgres start …")
    if broker is Tansu:
        _say(console, NO_RECOVERY)
    people = People()
    with (
        running_servers(broker) as servers,
        tempfile.TemporaryDirectory(prefix="place-") as folder,
        ExitStack() as running,
    ):
        page_port = free_port()
        place = Place(Path(folder) / "place", _settings(servers, people, page_port))
        place.set_clock(storm.start_us, _STANDING)
        run_once("configure", str(place.folder))
        configuration = load(place.folder)
        areas = configuration.bundle.associations
        ledger = running.enter_context(Ledger.open(servers.database_url))
        deployment = Deployment(place, people.environment)
        running.callback(deployment.remove)

        began_s = time.monotonic()
        deployment.start("gateway-1", "worker-1")
        # Seven programs start in about so long on this machine as it is just now.
        starts_in_s = 2.5 * (time.monotonic() - began_s) + 3.0
        _say(
            console,
            f"{len(storm.before):,} readings of the night before: the sums and slopes get their past …",
        )
        _catch_up(servers.broker, storm.before)
        deployment.stop("gateway-1")
        _rest(lambda: [*map(ledger.checkpoint_position, areas)])
        deployment.stop("worker-1")

        clock = _start_in_time(deployment, place, storm, lasts_s, starts_in_s)
        page = f"http://127.0.0.1:{page_port}"
        explain(console, page)
        _say(console, f"programs      {deployment}")
        standings = Standings(ledger, clock, page, storm)
        screen = Screen(console, standings.now, data / "received.txt")
        standings.told = told = Told(
            clock, configuration.bundle.recipients, configuration.addresses, configuration.posts, screen.say
        )
        running.callback(people.stop)
        people.listen(told)
        people.listen_to_broker(servers.mosquitto.port, clock, told)
        feeder = standings.feeder = Feeder("127.0.0.1", servers.mosquitto.port, storm.shown, clock)
        with ending_in_order() as stopped, screen:
            feeder.start()
            feeder.wait(stopped)
            feeder.stop()
            deployment.check()
            # Without gateways no tick moves the log: at the storm's pace every station would seem silent in a moment.
            deployment.stop("gateway-1", "gateway-2")
            _rest(lambda: [*map(ledger.checkpoint_position, areas)])
            settle(ledger, stopped, _SETTLE_S)
        sum_up(console, ledger, configuration, standings.readings, clock, data)
        if broker is Tansu:
            _say(console, NO_RECOVERY)
        for one in deployment.programs.values():
            if one.was_killed:
                _say(console, f"{one.title} did not end within {one.stop_timeout_s:.0f} s and was killed")
        if keep and not stopped.is_set():
            _say(console, f"console, workers and dispatchers stay up on {page}; Ctrl-C ends them")
            with ending_in_order() as stopped:
                stopped.wait()


@contextmanager
def ending_in_order() -> Iterator[threading.Event]:
    """Within, the first signal only sets the event; before and after, a signal ends all at once."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_in_time(
    deployment: Deployment, place: Place, storm: Storm, lasts_s: float, starts_in_s: float
) -> SharedClock:
    """Set the clock and start what reads it, before it comes to the storm: later, every station would seem silent."""
    rate = storm.rate(lasts_s)
    while True:
        begins_us = MachineClock().now_us() + seconds(starts_in_s)
        place.set_clock(storm.start_us, rate, begins_us)
        deployment.start(*deployment.programs)
        if MachineClock().now_us() < begins_us:
            return SharedClock(storm.start_us, rate, begins_us)
        deployment.stop(*deployment.programs)
        starts_in_s *= 2


class Deployment:
    """The programs by name: two of each, and one console.

    Attributes
    ----------
    programs
        By name.
    """

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        config = ["--config", str(place.folder)]
        self.programs = {
            one.title: one
            for one in (
                *(
                    Program(f"gateway-{n}", ["gateway", *config, "--name", str(n)], environment)
                    for n in (1, 2)
                ),
                *(Program(f"worker-{n}", ["worker", *config], environment) for n in (1, 2)),
                *(
                    Program(f"dispatch-{n}", ["dispatch", *config, "--name", str(n)], environment)
                    for n in (1, 2)
                ),
                Program("console", ["console", *config], environment),
            )
        }

    def __str__(self) -> str:
        return "  ".join(f"{name} {one.pid}" for name, one in self.programs.items() if one.process)

    def start(self, *names: str) -> None:
        """Start programs at once, and wait until all say that they are ready."""
        starting = [self.programs[name].start() for name in names]
        wait_ready(starting)

    def check(self) -> None:
        """See that what was started still runs."""
        wait_ready([one for one in self.programs.values() if one.process is not None])

    def stop(self, *names: str) -> None:
        """End programs in order, all at the same time."""
        ending = [self.programs[name] for name in names]
        for one in ending:
            one.ask_to_stop()
        for one in ending:
            one.stop()

    def remove(self) -> None:
        """End all that run, and forget what they printed."""
        self.stop(*self.programs)
        for one in self.programs.values():
            one.remove()


def _settings(servers: Servers, people: People, page_port: int) -> dict[str, Any]:
    return {
        "brokers": {
            # Each reading goes to one of the gateways.
            "mqtt": {"host": "127.0.0.1", "port": servers.mosquitto.port, "share": "gateways"},
            "kafka": {"bootstrap": [servers.broker.bootstrap]},
        },
        "database": {"url": servers.database_url},
        "ports": {"console": page_port},
        "channels": {
            "sms": {"host": "127.0.0.1", "port": people.smpp_port, "system_id": "fenghuo"},
            "webhook": {"exercise_receiver": people.webhook_url},
        },
    }


def _catch_up(broker: Kafka | Tansu, before: Sequence[Spoken]) -> None:
    """Give the gateway the night before by the topic `readings`, in one partition, for its order."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    sent = [producer.send(READINGS, body, partition=0) for body in in_arrays([*before])]
    last = max(one.get(timeout=30).offset for one in sent)
    producer.close()
    reader = KafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=GROUP, enable_auto_commit=False)
    partition = TopicPartition(READINGS, 0)
    ends_s = time.monotonic() + _CATCH_UP_S
    while (reader.committed(partition) or 0) <= last:
        if time.monotonic() > ends_s:
            raise DemoFailed(f"the night before is not in the log after {_CATCH_UP_S:.0f} s")
        time.sleep(0.25)
    reader.close()


def _rest(positions: Callable[[], list[int]]) -> None:
    """Wait until the workers have decided all that is in the log."""
    last, since_s = positions(), time.monotonic()
    ends_s = since_s + _DRAIN_S
    while time.monotonic() - since_s < _REST_S and time.monotonic() < ends_s:
        time.sleep(0.5)
        if (now := positions()) != last:
            last, since_s = now, time.monotonic()


def _say(console: Console, words: str) -> None:
    console.print(words, highlight=False, markup=False, soft_wrap=True)
