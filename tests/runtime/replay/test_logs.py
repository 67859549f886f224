"""Replay of exported logs: dead records anywhere change nothing; several areas, and what a neighbour forwarded."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ingest.packing import Packer
from runtime.configuration.loading import load
from runtime.logs.file import LogFileWriter
from runtime.replay.logs import Played, replay_logs
from schemas.act import Act
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.log import (
    ActRecord,
    ConfigurationRecord,
    FindingRecord,
    Record,
    Tick,
    encode_record,
)
from schemas.packet import Packet
from schemas.times import DAY, HOUR, to_micros
from schemas.wire import ONE
from tests.runtime.engines import UNTIL
from tests.runtime.valley import CITY, failing_slope, heavy_rain, write_valley

AT = to_micros(UNTIL)
FAR = AT + 2 * DAY
"""A dead record's time: did it count, all levels behind it would stand still."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load(write_valley(tmp_path_factory.mktemp("valley") / "config", 20, {"status": "exercise"})).bundle


def day(bundle: Bundle) -> list[Record]:
    """A failing slope and heavy rain as a gateway would have written them, with an act and ticks."""
    packer, records = Packer(bundle), list[Record]()
    records.append(ConfigurationRecord(AT - 27 * HOUR, bundle.hash))
    readings = [*failing_slope(1, UNTIL), *heavy_rain(0, UNTIL), *failing_slope(2, UNTIL)]
    readings.sort(key=lambda one: one["observed_at"])
    for _, group in itertools.groupby(readings, key=lambda one: one["observed_at"][:13]):
        for reading in group:
            said = ONE.decode(json.dumps(reading))
            at = to_micros(said.observed_at + timedelta(seconds=1))
            assert packer.add(said, at, "test") is None
            last = at
        records += [placed.packet for placed in packer.take()[CITY]]
        records.append(Tick(last))
    act = Act(id="x-1", act="cancel", by="duty", at=UNTIL, alert="a-none", version=1)
    records.append(ActRecord(AT + HOUR, act.model_dump_json().encode()))
    records += [Tick(AT + hour * HOUR) for hour in range(2, 8)]
    return records


def poison(bundle: Bundle, packet: Packet) -> list[bytes]:
    """Bodies that no pipeline can process, some of them only when they have moved time far ahead."""
    late = replace(packet, received_us=np.full(len(packet), FAR))
    stranger = replace(late, row=np.full(len(packet), len(bundle.stations), dtype=np.int32))
    return [
        b"",
        b"\xff\xfe",
        encode_record(late)[:-9],
        encode_record(stranger),
        encode_record(ActRecord(FAR, b"{}")),
        encode_record(FindingRecord(FAR, b"no finding")),
        encode_record(replace(stranger, row=np.full(len(packet), -2, dtype=np.int32))),
    ]


def written(path: Path, bundle: Bundle, bodies: Sequence[bytes], area: str = CITY) -> Path:
    writer = LogFileWriter(
        path,
        area,
        whole=True,
        source="a test",
        bundles={bundle.hash: bundle.canonical}.__getitem__,
        fallback=bundle.hash,
    )
    for position, body in enumerate(bodies, 1):
        writer.add(position, body)
    writer.finish({}, 0)
    return path


def played(out: Path, *paths: Path, batch: int = 100) -> tuple[Played, dict[str, bytes]]:
    result = replay_logs(paths, out, batch=batch)
    return result, {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("seed", range(4))
def test_dead_records_anywhere_change_nothing(bundle: Bundle, tmp_path: Path, seed: int) -> None:
    records = day(bundle)
    bodies = [encode_record(record) for record in records]
    _, clean = played(tmp_path / "clean", written(tmp_path / "clean.fhlog", bundle, bodies))
    assert clean["alerts.jsonl"].count(b'"landslide"') > 1
    chance = random.Random(seed)
    bad = poison(bundle, next(record for record in records if isinstance(record, Packet)))
    for _ in range(12):
        bodies.insert(chance.randrange(1, len(bodies) + 1), chance.choice(bad))
    result, poisoned = played(
        tmp_path / "poisoned",
        written(tmp_path / "poisoned.fhlog", bundle, bodies),
        batch=chance.choice((1, 3, 10, 100)),
    )
    assert result.counts["dead"] == 12
    assert poisoned == clean


def test_several_areas_follow_each_other_by_their_code_whatever_the_order_of_files(
    bundle: Bundle, tmp_path: Path
) -> None:
    other = two_cities(bundle)
    one = written(tmp_path / "z.fhlog", bundle, [encode_record(record) for record in day(bundle)])
    two = written(
        tmp_path / "a.fhlog",
        other,
        [
            encode_record(ConfigurationRecord(AT, other.hash)),
            encode_record(FindingRecord(AT + 1, forwarded().model_dump_json().encode())),
            encode_record(FindingRecord(AT + 2, forwarded().model_dump_json().encode())),
        ],
        "5120",
    )
    result, first = played(tmp_path / "first", one, two)
    _, second = played(tmp_path / "second", two, one)
    assert first == second
    alerts = [json.loads(line) for line in first["alerts.jsonl"].splitlines()]
    assert [alert["area"][:4] for alert in alerts] == sorted(alert["area"][:4] for alert in alerts)
    # What a neighbour forwarded counts once, and is that one's finding, not ours.
    assert [alert["area"] for alert in alerts if alert["area"].startswith("5120")] == ["512001001"]
    assert forwarded().id.encode() not in first["findings.jsonl"]
    assert list(result.ends) == [CITY, "5120"]


@cache
def forwarded() -> Finding:
    """A flash flood that the neighbour upstream found."""
    return Finding(
        id="f-upstream",
        hazard="flash_flood",  # type: ignore[arg-type]
        detector="rain.flash_flood",
        level=3,
        area="512001001",
        stations=("RG-0",),
        observed_at=UNTIL,
        evidence={"window_h": 1, "rain_mm": 60.0, "threshold_mm": 40.0},
        subject="512001001",
    )


def two_cities(bundle: Bundle) -> Bundle:
    """The valley with a neighbour."""
    return Bundle.of(
        areas=[
            *bundle.areas,
            Area("5120", "邻市", Tier.CITY, None, 106.9, 31.8),
            Area("512001", "邻区", Tier.COUNTY, "5120", 106.9, 31.8),
            Area("512001001", "邻镇", Tier.TOWNSHIP, "512001", 106.9, 31.8),
        ],
        stations=list(bundle.stations),
        policy=bundle.policy,
        status=bundle.status,
        association_tier=bundle.association_tier,
    )
