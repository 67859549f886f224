"""Exported logs of the embedded engine: their replay gives what the engine decided, id by id, and says what it cannot know."""

from __future__ import annotations

import gzip
import itertools
import json
import sqlite3
import threading
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alerting.ledger import Ledger
from ingest.arrival import Arrival
from ingest.packing import Packer
from runtime.cli.log import log as log_command
from runtime.cli.replay import replay as replay_command
from runtime.clock import HandClock
from runtime.configuration.loading import load
from runtime.embedded import EmbeddedEngine
from runtime.logs.export import EmbeddedSource, export
from runtime.logs.file import End, LogFileReader, LogFileWriter, RecordFrame
from runtime.logs.store import LogStore
from runtime.replay.comparing import differences
from runtime.replay.logs import FILES, replay_logs
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.log import ActRecord, ConfigurationRecord, Record, Tick, encode_record
from schemas.packet import Packet
from schemas.times import HOUR, MINUTE, from_micros, to_micros
from schemas.wire import Rain
from tests.runtime.engines import UNTIL
from tests.runtime.running import until
from tests.runtime.valley import CITY, failing_slope, heavy_rain, write_valley

SLOPES = 6


class Day:
    """A valley's worst day through the embedded engine: slopes, rain, acts, a change of configuration, dead records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.place = write_valley(
            folder / "config", 20, {"status": "exercise", "database": {"folder": str(self.data)}}
        )
        self.clock = HandClock(to_micros(UNTIL))
        self.number = itertools.count(1)
        engine = self.started()
        self.send(engine, *(json.dumps(r).encode() for r in heavy_rain(0, UNTIL)))
        self.append(engine, b"\xff\x00 no record", b"")
        for slope in range(SLOPES // 2):
            self.send(engine, *(json.dumps(r).encode() for r in failing_slope(slope, UNTIL)))
        self.append(engine, encode_record(ActRecord(self.clock.now_us(), b"no act")))
        self.settle(engine)
        (chain, *_) = [one for one in engine.ledger.alerts_in_force() if one.hazard == "landslide"]
        for name in ("acknowledge", "release", "cancel"):
            self.act(engine, name, chain.id, chain.version)
        engine.stop()
        self.edit_policy()
        engine = self.started()
        for slope in range(SLOPES // 2, SLOPES):
            self.send(engine, *(json.dumps(r).encode() for r in failing_slope(slope, UNTIL)))
        self.append(engine, b'{"kind":"rain"}')
        for _ in range(4):
            self.clock.move_to(self.clock.now_us() + HOUR)
            self.send(engine, json.dumps(next(iter(heavy_rain(0, UNTIL)))).encode())
        self.settle(engine)
        engine.stop()

    def started(self) -> EmbeddedEngine:
        engine = EmbeddedEngine(load(self.place).bundle, self.data, self.clock)
        engine.start()
        return engine

    def send(self, engine: EmbeddedEngine, *payloads: bytes) -> None:
        done = threading.Semaphore(0)
        for payload in payloads:
            engine.intake.submit(Arrival(payload, "test", lambda _: done.release()))
        for _ in payloads:
            assert done.acquire(timeout=30)

    def act(self, engine: EmbeddedEngine, name: str, alert: str, version: int) -> None:
        act = Act.model_validate(
            {
                "id": f"act-{next(self.number)}",
                "act": name,
                "by": "duty-1",
                "at": from_micros(self.clock.now_us()),
                "alert": alert,
                "version": version,
                "reason": "drill",
            }
        )
        assert engine.act(act) is not None

    def append(self, engine: EmbeddedEngine, *bodies: bytes) -> None:
        """Put bytes into the log as no intake would."""
        with sqlite3.connect(self.data / "log.db", timeout=30) as connection, engine.log._writing:
            for body in bodies:
                end = engine.log._ends[CITY] = engine.log.end(CITY) + 1
                connection.execute("INSERT INTO records VALUES (?, ?, 0, ?)", (CITY, end, body))
                connection.execute("INSERT OR REPLACE INTO ends VALUES (?, ?)", (CITY, end))
        engine._logged.set()

    def settle(self, engine: EmbeddedEngine) -> None:
        area = engine.associations[CITY]
        until("the log to be decided", lambda: area.position == engine.log.end(CITY))

    def edit_policy(self) -> None:
        path = self.place / "stations.csv"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([lines[0], *reversed(lines[1:])]))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(log_command, [*words, "--config", str(self.place)])


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("day"))


@pytest.fixture(scope="module")
def exported(day: Day) -> Path:
    out = day.folder / "logs"
    result = day.run("export", "--out", str(out))
    assert result.exit_code == 0, result.output
    return out / f"{CITY}.fhlog"


@pytest.fixture
def ledger(day: Day) -> Iterator[Ledger]:
    with Ledger.open(str(day.data / "state.db")) as opened:
        yield opened


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def frames(path: Path) -> tuple[LogFileReader, list[int]]:
    reader = LogFileReader(path)
    reader.first_bundle()
    positions = [entry.position for part in reader.parts(7) for entry in part]
    reader.close()
    return reader, positions


def test_a_replay_of_the_log_gives_what_the_engine_decided_id_by_id(
    day: Day, exported: Path, ledger: Ledger, tmp_path: Path
) -> None:
    played = replay_logs([exported], tmp_path / "out")
    assert played.warnings == []
    assert set(contents(tmp_path / "out")) == set(FILES)
    assert differences(ledger, tmp_path / "out") == []
    alerts = [json.loads(line) for line in (tmp_path / "out" / "alerts.jsonl").read_text().splitlines()]
    assert {alert["hazard"] for alert in alerts} >= {"landslide", "rainstorm"}
    assert {alert["type"] for alert in alerts} >= {"issue", "cancel"}
    assert len({alert["policy"] for alert in alerts}) == 2
    assert len(played.ends[CITY].dead) == 4


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_the_size_of_a_batch_changes_no_byte(exported: Path, tmp_path: Path, batch: int) -> None:
    replay_logs([exported], tmp_path / "whole")
    replay_logs([exported], tmp_path / "cut", batch=batch)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_the_same_log_gives_the_same_file(day: Day, exported: Path, tmp_path: Path) -> None:
    result = day.run("export", "--area", CITY, "--out", str(tmp_path / "again.fhlog"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "again.fhlog").read_bytes() == exported.read_bytes()


def test_the_file_has_all_records_at_their_positions_and_all_configurations(day: Day, exported: Path) -> None:
    reader, positions = frames(exported)
    store = LogStore(day.data / "log.db")
    assert positions == list(range(1, store.end(CITY) + 1))
    store.close()
    named = {Bundle(canonical).hash for canonical in reader.bundles.values()}
    assert len(named) == 2
    assert reader.head.bundle in named
    assert reader.end is not None
    assert sorted(reader.end.dead) == [p for p in positions if p in reader.end.dead]


def test_compare_is_quiet_where_both_agree_and_names_what_was_changed(
    day: Day, exported: Path, ledger: Ledger, tmp_path: Path
) -> None:
    agreed = day.run("compare", str(exported))
    assert agreed.exit_code == 0, agreed.output
    assert "no differences" in agreed.output
    replay_logs([exported], tmp_path)
    alerts = (tmp_path / "alerts.jsonl").read_text().splitlines()
    bent = json.loads(alerts[0]) | {"headline": "别的"}
    (tmp_path / "alerts.jsonl").write_text("\n".join([json.dumps(bent), *alerts[2:]]) + "\n")
    notices = (tmp_path / "notices.jsonl").read_text().splitlines()
    sent = json.loads(notices[0]) | {"state": "held", "attempts": 3, "error": "busy"}
    (tmp_path / "notices.jsonl").write_text("\n".join([json.dumps(sent), *notices[1:]]) + "\n")
    (tmp_path / "findings.jsonl").write_text(
        (tmp_path / "findings.jsonl").read_text() + json.dumps({"id": "f-other", "level": 3}) + "\n"
    )
    found = differences(ledger, tmp_path)
    assert len(found) == 4
    assert found[0] == "finding f-other is in the replay and not in the ledger: level 3"
    assert any("is in the ledger and not in the replay" in one for one in found)
    assert any('headline is "' in one and '"别的" in the replay' in one for one in found)
    assert any('state is "due" in the ledger, "held" in the replay' in one for one in found)
    assert not any("attempts" in one for one in found)


def test_what_was_decided_behind_the_end_of_an_export_is_left_out(
    day: Day, exported: Path, ledger: Ledger, tmp_path: Path
) -> None:
    reader, positions = frames(exported)
    assert reader.end is not None
    middle = positions[len(positions) // 2]
    short = copied(exported, tmp_path / "short.fhlog", until=middle)
    played = replay_logs([short], tmp_path / "out")
    assert played.counts["alerts"]
    assert differences(ledger, tmp_path / "out")
    end = played.ends[CITY]
    assert differences(ledger, tmp_path / "out", {CITY: (end.first, end.last)}) == []


def copied(path: Path, to: Path, *, until: int, dead: Mapping[int, str] | None = None) -> Path:
    """An exported log as it would have been at an earlier position, or with another word on dead records."""
    whole, _ = frames(path)
    assert whole.end is not None
    reader = LogFileReader(path)
    writer = LogFileWriter(
        to, CITY, whole=True, source="a test", bundles=whole.bundle, fallback=whole.head.bundle
    )
    while not isinstance(frame := reader._next(), End):
        if isinstance(frame, RecordFrame) and frame.position <= until:
            writer.add(frame.position, frame.body)
    reader.close()
    writer.finish(whole.end.dead if dead is None else dead, until)
    return to


def test_a_log_whose_beginning_was_dropped_says_so_and_is_played(
    day: Day, exported: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("log.db", "state.db"):
        source, copy = sqlite3.connect(day.data / name), sqlite3.connect(data / name)
        source.backup(copy)
        source.close()
        copy.close()
    store = LogStore(data / "log.db")
    store.prune({CITY: 8}, older_than=2**60)
    store.close()
    result = day.run("export", "--data", str(data), "--out", str(tmp_path / "cut.fhlog"))
    assert result.exit_code == 0, result.output
    assert "before position 9 was dropped" in result.output
    replayed = CliRunner().invoke(
        replay_command, [str(tmp_path / "cut.fhlog"), "--out", str(tmp_path / "out")]
    )
    assert replayed.exit_code == 0, replayed.output
    assert "begins at position 9 of the log" in replayed.output


def test_a_dead_record_that_is_none_here_and_another_that_is_are_told(exported: Path, tmp_path: Path) -> None:
    reader, positions = frames(exported)
    assert reader.end is not None
    dead = dict(reader.end.dead)
    forgotten = dead.popitem()[0]
    last = positions[-1]
    other = {**dead, last: "DataError: too long"}
    played = replay_logs(
        [copied(exported, tmp_path / "other.fhlog", until=last, dead=other)], tmp_path / "out"
    )
    assert len(played.warnings) == 2
    assert f"position {last}: the engine passed over it (DataError: too long)" in played.warnings[0]
    assert f"position {forgotten}: this replay passed over it" in played.warnings[1]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda data: b"no log", "is no exported log"),
        (lambda data: gzip.compress(b"fenghuo log 7\n"), "of another format"),
        (lambda data: data[: len(data) // 2], "is broken: "),
        (lambda data: data[:-3], "is broken: "),
        (lambda data: data[:5000] + bytes(100) + data[5100:], "is broken: "),
    ],
)
def test_a_broken_file_is_said_and_leaves_nothing(
    exported: Path, tmp_path: Path, break_it, words: str
) -> None:
    path = tmp_path / "broken.fhlog"
    path.write_bytes(break_it(exported.read_bytes()))
    with pytest.raises(Exception, match=words):
        replay_logs([path], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_logs_bring_their_configuration_and_readings_do_not(day: Day, exported: Path, tmp_path: Path) -> None:
    readings = tmp_path / "readings.jsonl"
    readings.write_text("")
    out = ["--out", str(tmp_path / "out")]

    def refused(*words: str) -> str:
        result = CliRunner().invoke(replay_command, [*words, *out])
        assert result.exit_code == 2, result.output
        return result.output

    assert "take --config away" in refused(str(exported), "--config", str(day.place))
    assert "give --config DIR" in refused(str(readings))
    assert "is an exported log and" in refused(str(exported), str(readings))
    twice = CliRunner().invoke(replay_command, [str(exported), str(exported), *out])
    assert "are both the log of association area 5119" in str(twice.exception)


def test_a_configuration_that_the_ledger_lacks_is_told_and_stops_the_replay(day: Day, tmp_path: Path) -> None:
    store = LogStore(tmp_path / "log.db")
    bundle = load(day.place).bundle
    at = to_micros(UNTIL)
    store.append(
        [
            (CITY, at, ConfigurationRecord(at, bundle.hash)),
            (CITY, at, Tick(at + MINUTE)),
            (CITY, at, ConfigurationRecord(at, "f" * 64)),
        ]
    )
    store.close()
    with Ledger.open(str(tmp_path / "state.db")) as ledger:
        ledger.store_bundle(bundle.hash, bundle.canonical)
    result = day.run("export", "--data", str(tmp_path), "--out", str(tmp_path / "x.fhlog"))
    assert result.exit_code == 1
    assert "lacks configuration ffffffffffff" in result.output
    with pytest.raises(Exception, match=r"ffffffffffff is not in the ledger.*the engine waits there, too"):
        replay_logs([tmp_path / "x.fhlog"], tmp_path / "out")


def test_what_there_is_no_log_of_is_said(day: Day, tmp_path: Path) -> None:
    result = day.run("export", "--area", "9999", "--out", str(tmp_path / "x.fhlog"))
    assert "log.db has no record of 9999" in str(result.exception)
    result = CliRunner().invoke(
        log_command, ["export", "--config", str(day.place), "--data", str(tmp_path), "--out", str(tmp_path)]
    )
    assert "no engine has run" in str(result.exception)


def test_a_long_log_needs_no_more_memory_than_a_short_one(tmp_path: Path, day: Day) -> None:
    bundle = load(day.place).bundle
    reading = packet(bundle)

    def peak(records: int) -> int:
        folder = tmp_path / str(records)
        store = LogStore(folder / "log.db")
        at = to_micros(UNTIL)
        for start in range(0, records, 500):
            many: list[tuple[str, int, Record]] = [
                (CITY, at, replace(reading, received_us=reading.received_us + n))
                for n in range(start, start + 500)
            ]
            store.append(many)
        store.close()
        with Ledger.open(str(folder / "state.db")) as ledger:
            ledger.store_bundle(bundle.hash, bundle.canonical)
            tracemalloc.start()
            export(
                EmbeddedSource(folder / "log.db", [CITY]),
                ledger,
                [CITY],
                folder / "x.fhlog",
                fallback=bundle,
            )
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return most

    short, long = peak(500), peak(10_000)
    assert long < short + 1_000_000


def packet(bundle: Bundle) -> Packet:
    packer = Packer(bundle)
    at = to_micros(UNTIL)
    for n in range(100):
        said = Rain(station="RG-0", observed_at=from_micros(at + n), interval_s=300, rain_mm=0.1)
        assert packer.add(said, at, "test") is None
    ((placed,),) = packer.take().values()
    return placed.packet
