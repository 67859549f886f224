"""The whole pipeline: the same log gives the same decisions, however it is cut and wherever it is restarted."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ingest.packing import Packer
from ingest.sources.file import read_files
from runtime.cli.simulate import simulate
from runtime.configuration.loading import load
from runtime.pipeline import Decisions, Pipeline
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.log import (
    ActRecord,
    ConfigurationRecord,
    FindingRecord,
    Record,
    Tick,
    decode_record,
    encode_record,
)
from schemas.packet import Packet
from schemas.reject import Reject
from schemas.times import DAY, HOUR, MINUTE, from_micros, to_micros

BAZHONG = Path("deploy/bazhong")
CITY = "5119"


@cache
def bundle() -> Bundle:
    return load(BAZHONG).bundle


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The mixed day's worst hours, and its slopes since the evening, as a gateway would have packed them, with ticks."""
    out = tmp_path_factory.mktemp("mixed")
    window = ["--until", "2026-07-18T12:00:00+08:00"]
    result = CliRunner().invoke(simulate, ["mixed", "--seed", "3", "--out", str(out), *window])
    assert result.exit_code == 0, result.output
    packer, records = Packer(bundle()), list[Record]()
    lines = (out / "readings.jsonl").read_text().splitlines(keepends=True)
    chosen = [
        line for line in lines if '"landslide"' in line or line.split('"observed_at":"')[1] >= "2026-07-17T22"
    ]
    (out / "readings.jsonl").write_text("".join(chosen))
    entries = read_files([out / "readings.jsonl"], lambda _: None, lambda _: None)
    while chunk := list(itertools.islice(entries, 400)):
        for entry in chunk:
            assert not isinstance(entry.item, Reject)
            packer.add(entry.item, entry.now, entry.source)
        records += [placed.packet for placed in packer.take()[CITY]]
        records.append(Tick(chunk[-1].now))
    return [decode_record(encode_record(record)) for record in records]


def told(decisions: Decisions) -> list[str]:
    every = (*decisions.findings, *decisions.alerts, *decisions.notices, *decisions.releases, *decisions.acts)
    return [item.model_dump_json() for item in every]


def played(records: list[Record], pipeline: Pipeline | None = None) -> Decisions:
    pipeline = pipeline or Pipeline(bundle(), CITY, lambda _: bundle())
    return pipeline.process(records)


@pytest.fixture(scope="module")
def whole(log: list[Record]) -> Decisions:
    return played(log)


def test_the_day_has_something_to_say(whole: Decisions) -> None:
    assert {alert.hazard.value for alert in whole.alerts} >= {"rainstorm", "flash_flood"}
    assert whole.notices
    assert whole.releases


@pytest.mark.parametrize("seed", range(3))
def test_any_cut_of_packets_into_rows_gives_the_same(log: list[Record], whole: Decisions, seed: int) -> None:
    chance, cut = random.Random(seed), list[Record]()
    for record in log:
        if not isinstance(record, Packet):
            cut.append(record)
            continue
        start = 0
        while start < len(record):
            stop = min(len(record), start + chance.choice((1, 2, 7, 50, 400)))
            cut.append(record.span(start, stop))
            start = stop
    assert told(played(cut)) == told(whole)


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_at_any_checkpoint_goes_on_with_the_same(
    log: list[Record], whole: Decisions, seed: int
) -> None:
    chance = random.Random(seed)
    rows: dict[str, bytes] = {}
    every = Decisions()
    pipeline = Pipeline(bundle(), CITY, lambda _: bundle())
    position = 0
    while position < len(log):
        stop = min(len(log), position + chance.randint(1, 40))
        part = pipeline.process(log[position:stop])
        for name in ("findings", "alerts", "notices", "releases", "acts"):
            getattr(every, name).extend(getattr(part, name))
        position = stop
        for key, value in pipeline.changed().items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        pipeline.saved(position)
        if chance.random() < 0.4:
            pipeline = Pipeline(bundle(), CITY, lambda _: bundle())
            pipeline.restore(rows)
    assert told(every) == told(whole)
    again = Pipeline(bundle(), CITY)
    again.restore(rows)
    assert again.state() == pipeline.state()


def test_changes_made_while_a_checkpoint_is_written_are_in_the_next(log: list[Record]) -> None:
    pipeline = Pipeline(bundle(), CITY)
    pipeline.process(log[:20])
    rows = {key: value for key, value in pipeline.changed().items() if value is not None}
    pipeline.process(log[20:30])
    pipeline.saved(20)
    rows.update({key: value for key, value in pipeline.changed().items() if value is not None})
    again = Pipeline(bundle(), CITY)
    again.restore(rows)
    assert again.state() == pipeline.state()


def test_ten_days_of_silence_lower_nothing_and_let_nothing_run_out(log: list[Record]) -> None:
    pipeline = Pipeline(bundle(), CITY)
    standing = {alert.id: alert for alert in pipeline.process(log).alerts}
    began, end = pipeline.now, pipeline.now + 10 * DAY
    for at in range(began + HOUR, end + 1, HOUR):
        for alert in pipeline.process([Tick(at)]).alerts:
            assert standing.get(alert.id, alert).level <= alert.level or alert.hazard == "earthquake"
            standing[alert.id] = alert
    held = [
        a
        for a in standing.values()
        if a.hazard in ("rainstorm", "flash_flood", "landslide") and a.type != "cancel"
    ]
    dead = [alert for alert in held if alert.hazard == "landslide" and alert.level == 4]
    assert dead
    assert {alert.hazard.value for alert in held} == {"rainstorm", "flash_flood", "landslide"}
    for alert in held:
        assert to_micros(alert.expires_at) > end, alert.headline
        assert alert.missing_since is not None
        assert "核实" in alert.description + alert.instruction


def act(number: int, name: str, at: int, **more: object) -> ActRecord:
    body = {"id": f"act-{number}", "act": name, "by": "duty-1", "at": from_micros(at), "reason": "drill"}
    return ActRecord(at, Act.model_validate(body | more).model_dump_json().encode())


def test_an_act_is_judged_at_its_place_and_counts_once(log: list[Record]) -> None:
    pipeline = Pipeline(bundle(), CITY)
    alerts = pipeline.process(log).alerts
    chain = next(
        alert for alert in reversed(alerts) if alert.hazard == "flash_flood" and alert.type != "cancel"
    )
    release = act(1, "release", pipeline.now + MINUTE, alert=chain.id, version=chain.version)
    first = pipeline.process([release])
    assert [one.outcome for one in first.acts] in (["done"], ["refused"])
    assert not pipeline.process([release])
    unknown = pipeline.process([act(2, "cancel", pipeline.now, alert="a-none", version=1)])
    assert [one.outcome for one in unknown.acts] == ["refused"]
    assert unknown.acts[0].refused_because


def test_a_forwarded_finding_counts_once(log: list[Record], whole: Decisions) -> None:
    finding = next(f for f in whole.findings if f.hazard == "rainstorm" and f.level > 0)
    pipeline = Pipeline(bundle(), CITY)
    record = FindingRecord(finding.observed_us, finding.model_dump_json().encode())
    assert [alert.type for alert in pipeline.process([record]).alerts] == ["issue"]
    assert not pipeline.process([record])


def test_a_new_configuration_holds_for_the_records_behind_it_and_keeps_the_state(
    log: list[Record], whole: Decisions
) -> None:
    old = bundle()
    stations = list(old.stations)
    turned = Bundle.of(
        areas=old.areas,
        stations=stations[1:] + stations[:1],
        recipients=old.recipients,
        policy=old.policy,
        status=old.status,
        association_tier=old.association_tier,
    )
    half = len(log) // 2
    rows = np.array([turned.stations.row_of[station.id] for station in stations], dtype=np.int32)

    def moved(record: Record) -> Record:
        if not isinstance(record, Packet):
            return record
        return replace(record, row=rows[record.row], bundle=turned.hash)

    at = next(record.at_us for record in reversed(log[:half]) if isinstance(record, Tick))
    changed = [*log[:half], ConfigurationRecord(at, turned.hash), *[moved(record) for record in log[half:]]]
    decisions = played(changed, Pipeline(old, CITY, {turned.hash: turned}.__getitem__))
    assert [finding.id for finding in decisions.findings] == [finding.id for finding in whole.findings]
    assert [(a.id, a.version) for a in decisions.alerts] == [(a.id, a.version) for a in whole.alerts]
    assert {alert.policy for alert in decisions.alerts} == {old.hash, turned.hash}
