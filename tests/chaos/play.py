"""One run: the storm with its earthquake through the whole deployment, broken as the seed has it, and judged."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import msgspec

from alerting.ledger import Ledger
from runtime.clock import MachineClock, SetClock
from runtime.logs.file import LogFileReader
from schemas.bundle import Bundle
from schemas.times import SECOND, Micros, from_micros, to_micros
from tests.chaos import results
from tests.chaos.configuration import RATE
from tests.chaos.decided import arrivals, delivered, in_files, in_the_ledger
from tests.chaos.deployment import DRAIN_S, Deployment, wait_until
from tests.chaos.faults import Breaking, Fault, schedule
from tests.chaos.judging import Key, chain_differences, differences, lost, sent_twice, told_nobody
from tests.chaos.network import Network
from tests.chaos.publisher import Publisher
from tests.chaos.receivers import Receivers
from tests.chaos.results import Result
from tests.chaos.servers import running_servers
from tests.chaos.storm import BEGINS, ENDS, Storm, make_storm

STARTING_S = 45.0
"""Between the programs' start and the first reading; the clock runs through it."""
_PART = 1000
PLAYS_S = (ENDS - BEGINS).total_seconds() / RATE


def play(seed: int, folder: Path, *, disturbed: bool = True) -> Result:
    """Play and judge one seed.

    Parameters
    ----------
    folder
        Empty; configuration, output of the programs, logs and replays stay there.
    disturbed
        False: without faults, and compared also with a replay of the readings.
    """
    began_s, code = time.monotonic(), results.code_id()
    faults = schedule(seed) if disturbed else []
    with ExitStack() as cleanup, Network() as network, Receivers() as receivers, running_servers() as servers:
        set_at = from_micros(MachineClock().now_us()) + timedelta(seconds=STARTING_S)
        begins_s = time.monotonic() + STARTING_S
        clock = SetClock(to_micros(BEGINS), RATE, to_micros(set_at))
        receivers.listen(servers.mosquitto.host, servers.mosquitto.port, clock)
        with Deployment(folder, servers, network, receivers, to_micros(BEGINS), set_at) as deployment:
            storm = make_storm(folder, deployment.config, seed)
            deployment.wait_ready()
            _say(f"ready {begins_s - time.monotonic():.0f} s before the storm; {len(storm.lines)} readings")
            publisher = Publisher(storm.lines, clock, servers.mosquitto.host, servers.mosquitto.port)
            breaking = Breaking(faults, deployment.hands, begins_s)
            cleanup.callback(breaking.release)
            _play(publisher, breaking)
            deployment.drain()
            _say(f"drained; {len(publisher.acknowledged)} acknowledged")
            deployment.command(
                "log", "export", "--config", str(deployment.config), "--out", str(folder / "logs")
            )
            logs = sorted((folder / "logs").glob("*.fhlog"))
            deployment.command("replay", *map(str, logs), "--out", str(folder / "replayed"))
            if not disturbed:
                again = ["--config", str(deployment.config), "--out", str(folder / "from-readings")]
                deployment.command("replay", str(storm.file), *again)
            result = _judged(seed, faults, storm, publisher, receivers, deployment, folder, logs)
    return result.model_copy(
        update={
            "code": code if results.code_id() == code else results.MIXED,
            "seconds": round(time.monotonic() - began_s, 1),
        }
    )


def _play(publisher: Publisher, breaking: Breaking) -> None:
    publisher.start()
    breaking.start()
    try:
        breaking.wait_whole()
        wait_until(
            "all readings to be acknowledged",
            lambda: publisher.done,
            PLAYS_S + DRAIN_S,
            lambda: publisher.progress,
        )
    finally:
        publisher.stop()


def _judged(
    seed: int,
    faults: Sequence[Fault],
    storm: Storm,
    publisher: Publisher,
    receivers: Receivers,
    deployment: Deployment,
    folder: Path,
    logs: Sequence[Path],
) -> Result:
    bundle = deployment.bundle
    stations = zip(bundle.stations, bundle.associations_of_station, strict=True)
    acknowledged = publisher.acknowledged if faults else publisher.acknowledged | publisher.taken
    actual, expected = in_the_ledger(deployment.ledger), in_files(folder / "replayed")
    actual.write(folder / "decided")
    logged, undecided = _logged(logs, bundle)
    different = undecided + differences(expected, actual)
    different += told_nobody(delivered(deployment.ledger), receivers.told)
    if not faults:
        different += chain_differences(in_files(folder / "from-readings").chains(), actual.chains())
    return Result(
        seed=seed,
        code=results.MIXED,
        commit=results.commit_id(),
        faults=tuple(map(str, faults)),
        readings=len(storm.lines),
        sent=publisher.sent,
        acknowledged=len(publisher.acknowledged),
        logged=len(set().union(*logged.values())),
        findings=len(actual.findings),
        alerts=len(actual.alerts),
        notices=len(actual.notices),
        told=len(receivers.told),
        repeats=receivers.repeats,
        messages=receivers.messages,
        lost=tuple(
            lost(
                acknowledged,
                logged,
                {station.id: areas for station, areas in stations},
                _rejected(deployment.ledger),
            )
        ),
        different=tuple(different),
        twice=tuple(sent_twice(receivers.told, actual.notices)),
        died=tuple(deployment.deaths()),
        latest_s=_latest_s(storm, logged),
        seconds=0.0,
    )


def _logged(logs: Sequence[Path], bundle: Bundle) -> tuple[dict[str, dict[Key, Micros]], list[str]]:
    """By area the readings of its log; and which logs were not decided to their end."""
    found: dict[str, dict[Key, Micros]] = {}
    undecided = []
    for path in logs:
        with contextlib.closing(LogFileReader(path)) as file:
            records = (record for part in file.parts(_PART) for _, record in part)
            found[file.head.area] = arrivals(records, bundle)
            assert file.end is not None
            if file.end.decided < file.end.last:
                undecided.append(
                    f"log of {file.head.area} is decided up to {file.end.decided} of {file.end.last}"
                )
            undecided += [
                f"record {position} of {file.head.area} is dead: {reason}"
                for position, reason in file.end.dead.items()
            ]
    return found, undecided


def _latest_s(storm: Storm, logged: Mapping[str, Mapping[Key, Micros]]) -> float:
    late_us = [
        found[line.station, line.number] - line.at_us
        for found in logged.values()
        for line in storm.lines
        if (line.station, line.number) in found
    ]
    return round(max(late_us, default=0) / SECOND / RATE, 1)


class _Numbered(msgspec.Struct):
    station: str
    sequence: int


def _rejected(ledger: Ledger) -> set[Key]:
    found = set()
    for reject in ledger.rejects():
        with contextlib.suppress(msgspec.MsgspecError):
            numbered = msgspec.json.decode(reject.bytes, type=_Numbered)
            found.add((numbered.station, numbered.sequence))
    return found


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
