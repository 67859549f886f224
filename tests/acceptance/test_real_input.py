"""Real input equals the reference: recorded series of each hazard, by MQTT into `fenghuo run`, on the record's own time."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from alerting.ledger import Ledger
from schemas.finding import Finding
from tests.acceptance import canonical
from tests.acceptance.canonical import Record
from tests.runtime.running import Running, settings_of, spare_port, until
from tests.servers.mosquitto import Mosquitto

DATA = Path("tests/data")
KANTO = DATA / "rain" / "jma-kanto-2023-09-08"
GUERRERO = DATA / "seismic" / "guerrero_2018_m5.3"
SMOKE_AT = datetime(2019, 10, 1, 18, tzinfo=UTC)


def played(
    broker: Mosquitto, record: Record, folder: Path, *, starts_at: datetime, rate: float
) -> list[Finding]:
    """Publish each reading when the engine's clock shows its time; what the engine found, in order of event time."""
    port = spare_port()
    clock = {"starts_at": starts_at.isoformat(), "rate": rate}
    settings = settings_of(broker.port, port, status="test", clock=clock)
    place = canonical.write_place(folder / "config", record, settings)
    with Running(place, folder / "data", port) as engine:
        shown = datetime.fromisoformat(engine.health()["now"])
        shown_s = (
            time.monotonic()
        )  # a little after what was shown: a reading is late rather than ahead of the clock
        _publish(broker, record, shown_s - (shown - starts_at).total_seconds() / rate, starts_at, rate)
        until("all readings in the log", lambda: _taken(engine) >= len(record.said), pause_s=0.5)
        assert engine.stop() == 0
    with Ledger.open(str(folder / "data" / "state.db")) as ledger:
        assert ledger.rejects() == []
        return ledger.newest_findings(10**6)[::-1]


def _publish(broker: Mosquitto, record: Record, began_s: float, starts_at: datetime, rate: float) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(200)
    client.connect(broker.host, broker.port)
    client.loop_start()
    last = None
    for at, reading in record.said:
        time.sleep(max(0.0, began_s + (at - starts_at).total_seconds() / rate - time.monotonic()))
        topic = f"readings/{reading['kind']}/{reading['station']}"
        last = client.publish(topic, json.dumps(reading), qos=1)
    assert last is not None
    last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def _taken(engine: Running) -> float:
    """Readings in the log, without the engine's own probes (they are forecasts)."""
    lines = engine.get("/metrics").text.splitlines()
    taken = [line for line in lines if line.startswith("fenghuo_readings_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in taken if 'kind="forecast"' not in line)


def rises(found: list[Finding], hazard: str) -> dict[str, dict[int, datetime]]:
    """For each subject and level the time of the reading by which it first stood there or higher."""
    first: dict[str, dict[int, datetime]] = defaultdict(dict)
    for finding in found:
        if finding.hazard == hazard:
            for level in range(1, finding.level + 1):
                first[finding.stations[0]].setdefault(level, finding.observed_at)
    return first


def test_rain_of_59_gauges_reaches_each_signal_in_the_hour_of_the_reference(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    record = canonical.rain([KANTO / "rain.csv.gz"], 3600)
    start = record.said[0][0] - timedelta(minutes=1)
    found = rises(played(mosquitto, record, tmp_path, starts_at=start, rate=10_000), "rainstorm")
    expected = list(canonical.rows(KANTO / "expected.csv"))
    assert len(expected) == 59
    for row in expected:
        for level, colour in enumerate(("blue", "yellow", "orange", "red"), start=1):
            # A gauge stands at a level from the first of it and of those above it.
            said = [
                row[c] for c in ("blue", "yellow", "orange", "red")[level - 1 :] if row[c] not in ("", "-")
            ]
            reached = min((datetime.strptime(one, "%Y-%m-%dT%H:%M%z") for one in said), default=None)
            assert found[row["station"]].get(level) == reached, (row["station"], colour)


def test_prisms_that_failed_are_told_before_the_end_and_the_slow_one_is_not(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    record = canonical.prisms(sorted((DATA / "landslide").glob("prism_*.csv")))
    # The first five weeks say nothing new: from here all three prisms report.
    record.said = [one for one in record.said if one[0] >= _mine("2013-12-29T00:00:00")]
    start = record.said[0][0] - timedelta(hours=1)
    found = rises(played(mosquitto, record, tmp_path, starts_at=start, rate=100_000), "landslide")
    failing, slow_wall, creeping = found["31-2008"], found["40-1981"], found["22-1917"]
    assert failing.get(3, failing.get(2)) is not None
    assert 3 in failing
    assert failing[3] <= _mine("2014-02-18T19:33:31")
    assert 4 not in failing or failing[4] >= _mine("2014-02-18T19:33:31")
    assert all(at >= _mine("2014-02-07T00:00:00") for level, at in failing.items() if level > 2)
    assert 2 in slow_wall
    assert _mine("2014-02-13T00:00:00") <= slow_wall[2] <= _mine("2014-02-19T00:00:00")
    assert 3 not in slow_wall or slow_wall[3] >= _mine("2014-02-17T00:00:00")
    assert 3 not in creeping


def _mine(local: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=canonical.MINE)


def test_the_m5_3_of_17_stations_is_one_event(mosquitto: Mosquitto, tmp_path: Path) -> None:
    record = canonical.seismic([GUERRERO / "records.mseed"], GUERRERO / "stations.csv")
    origin = datetime(2018, 8, 22, 18, 3, 8, tzinfo=UTC)
    begins, ends = origin - timedelta(seconds=25), origin + timedelta(seconds=45)
    record.said = [one for one in record.said if begins <= one[0] <= ends]
    start = begins - timedelta(seconds=3)
    found = played(mosquitto, record, tmp_path, starts_at=start, rate=3)
    told = [one for one in found if one.detector == "seismic.event"]
    assert len({one.evidence["event"] for one in told}) == 1
    assert told[0].observed_at > origin
    last = told[-1].evidence
    assert abs((datetime.fromisoformat(last["origin_at"]) - origin).total_seconds()) < 5
    assert abs(last["magnitude"] - 5.3) < 0.7


def test_smoke_is_found_in_at_least_nine_of_ten_sequences_and_never_before_it_is_there(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    record = canonical.smoke(DATA / "fire", together=SMOKE_AT)
    start = record.said[0][0] - timedelta(seconds=30)
    found = played(mosquitto, record, tmp_path, starts_at=start, rate=250)
    smoke = [one for one in found if one.hazard == "forest_fire" and one.level > 0]
    assert all(one.observed_at >= SMOKE_AT for one in smoke)
    seen = {station for one in smoke for station in one.stations}
    assert len(seen) >= 0.9 * len(record.stations)
