"""No input stops the process: what cannot be a reading is a reject with its reason, and what can be one is scored."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.arrival import Arrival, Settled
from ingest.decoders.canonical import decode
from ingest.packing import Packer
from runtime.clock import HandClock
from runtime.embedded import EmbeddedEngine
from runtime.pipeline import Pipeline
from schemas.alert import Status
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.log import decode_record, encode_record
from schemas.reject import RejectReason
from schemas.station import Station
from schemas.times import HOUR, MINUTE, SECOND, Micros, from_micros, to_micros
from tests.ingest.random_readings import KINDS, reading
from tests.runtime.running import until

NOW = to_micros(datetime(2026, 7, 18, 4, tzinfo=UTC))
CITY, VILLAGE = "5119", "511902001200"
AREAS = (
    Area(CITY, "市", Tier.CITY, None, 106.7, 31.9),
    Area("511902", "区", Tier.COUNTY, CITY, 106.7, 31.9),
    Area("511902001", "镇", Tier.TOWNSHIP, "511902", 106.7, 31.9),
    Area(VILLAGE, "村", Tier.VILLAGE, "511902001", 106.7, 31.9),
)
OWN = ("rain", "landslide", "seismic", "camera")


@cache
def a_bundle() -> Bundle:
    kinds = [kind for kind in KINDS if kind != "forecast"]
    stations = [
        Station(f"{kind}-{n}", kind, f"{kind} {n}", 106.6 + n / 20, 31.8 + n / 30, None, VILLAGE)
        for kind in kinds
        for n in range(3)
    ]
    return Bundle.of(areas=AREAS, stations=stations, policy={}, status=Status.TEST)


VALID: dict[str, dict[str, Any]] = {
    "rain": {"interval_s": 300, "rain_mm": 1.0},
    "landslide": {"displacement_mm": 1.0},
    "seismic": {"channel": "HNZ", "sample_rate_hz": 100, "unit": "m/s2", "samples": [0.1, 0.2]},
    "camera": {"azimuth_deg": 10, "field_of_view_deg": 60, "detections": []},
    "weather": {"temperature_c": 20},
    "water": {"water_level_m": 300},
    "report": {"category": "flood", "severity": 2, "text": "水", "reporter": "甲"},
    "hotspot": {"position": [106.7, 31.9], "confidence": 0.9},
    "measure": {"quantity": "snow", "value": 1, "unit": "cm"},
}


def valid(kind: str, **more: Any) -> dict[str, Any]:
    at = from_micros(NOW - 60 * SECOND).isoformat()
    return {"kind": kind, "station": f"{kind}-0", "observed_at": at, **VALID[kind], **more}


WRONG_VALUES = [
    "true",
    '"x"',
    "[[1]]",
    '{"a":1}',
    "NaN",
    "Infinity",
    "1e999",
    "-1e308",
    "1" + "0" * 400,
    "nul",
]
WRONG_TIMES = [
    '"yesterday"',
    '"2026-07-18T12:00:00"',
    '"2026-02-30T12:00:00Z"',
    '"2027-07-18T12:00:00Z"',
    '"9999-12-31T23:59:59Z"',
    '"9999-12-31T23:59:59.999999-12:00"',
    '"0001-01-01T00:00:00+14:00"',
    '"-2026-07-18T12:00:00Z"',
    '""',
    "1784300000",
    "null",
    "{}",
]


def raw(fields: dict[str, Any], **literal: str) -> bytes:
    """JSON of fields, some of them given as they stand."""
    parts = {name: json.dumps(value) for name, value in fields.items()} | literal
    return ("{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}").encode()


def malformed(chance: Random) -> bytes:
    """One payload that cannot be a reading."""
    kind = chance.choice(list(VALID))
    good = valid(kind)
    whole = raw(good)
    cut = chance.randrange(1, len(whole))
    needed = [name for name in good if name != "text"]
    numbers = [name for name in VALID[kind] if isinstance(VALID[kind][name], int | float)] or ["observed_at"]
    made: list[bytes] = [
        raw({k: v for k, v in good.items() if k != chance.choice([k])}),
        raw({k: v for k, v in good.items() if k != (gone := chance.choice(needed)) and gone}),
        raw(good, **{chance.choice(numbers): chance.choice(WRONG_VALUES)}),
        raw(good, observed_at=chance.choice(WRONG_TIMES)),
        raw(good, station=chance.choice(['"nobody"', '""', "7", "null", '"' + "s" * 65 + '"', '"\\ud800"'])),
        raw(good, kind=chance.choice(['"rainfall"', '""', "null", "1", '"forecast"'])),
        raw(good, sequence=chance.choice(["-1", "1.5", '"1"', str(2**64)])),
        whole[:cut],
        whole[:cut] + b"\xff\xfe" + whole[cut:],
        whole + whole,
        whole.replace(b'"', b"'"),
        b"\xef\xbb\xbf" + whole,
        b'"' + bytes(chance.randrange(1, 32) for _ in range(5)) + b'"',
        chance.randbytes(chance.randrange(1, 200)),
        b"[" * chance.choice((1, 50, 100_000)),
        b'{"a":' * chance.choice((1, 900, 50_000)),
        b"[" * 800 + b"]" * 800,
        b" " * chance.randrange(0, 20) + b"\n",
        chance.choice(
            (b"[]", b"{}", b"null", b"0", b'"rain"', b"[[],{}]", b"[1,2,3]", b"\x00", b"-", b"1e5")
        ),
        b"[" + b",".join([b"7"] * chance.choice((1, 3, 200))) + b"]",
        raw({name: value for name, value in good.items() if name not in VALID[kind]}),
    ]
    return chance.choice(made)


class Bench:
    """The engine in this process, its clock at `NOW`."""

    def __init__(self, folder: Path) -> None:
        self.engine = EmbeddedEngine(a_bundle(), folder, HandClock(NOW))
        self.engine.start()

    def send(self, payloads: list[tuple[bytes, tuple[str, str] | None]]) -> list[Settled]:
        """Give payloads; what became of each, in order."""
        answers: dict[int, Settled] = {}
        done = threading.Semaphore(0)
        for number, (payload, expected) in enumerate(payloads):

            def settle(one: Settled, number: int = number) -> None:
                answers[number] = one
                done.release()

            self.engine.intake.submit(Arrival(payload, f"test:{number}", settle, expected))
        for _ in payloads:
            assert done.acquire(timeout=60), "a payload was never settled"
        return [answers[number] for number in range(len(payloads))]

    def alerts(self) -> list[int]:
        """Levels of the rain alerts, once all that was sent is decided."""
        association = self.engine.associations[CITY]
        until("decisions", lambda: association.position == self.engine.log.end(CITY))
        return [alert.level for alert in self.engine.ledger.alerts_in_force() if alert.hazard == "rainstorm"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.engine.stop()


def test_ten_thousand_malformed_payloads_are_rejects_with_reasons_and_the_next_good_reading_is_scored(
    bench: Bench,
) -> None:
    chance = Random(9)
    payloads: list[tuple[bytes, tuple[str, str] | None]] = []
    while len(payloads) < 10_000:
        payload = malformed(chance)
        if decodes_well(payload):
            continue  # a random cut or byte that happens to leave a good reading
        payloads.append((payload, None))
    payloads += [(raw(valid("rain")), ("rain", "rain-1")), (raw(valid("rain", station="camera-0")), None)]
    payloads += [(b'"' + b"x" * 10 * 1024 * 1024 + b'"', None), (b"\x00" * 10 * 1024 * 1024, None)]
    answers = bench.send(payloads)
    assert [a for a in answers if a.accepted] == []
    reasons = Counter(reject.reason for answer in answers for reject in answer.rejects)
    assert set(reasons) == set(RejectReason) - {RejectReason.UNKNOWN_AREA, RejectReason.UNREADABLE}
    assert all(answer.rejects and all(r.detail for r in answer.rejects) for answer in answers)
    kept = bench.engine.ledger.rejects()
    assert {r.id for a in answers for r in a.rejects} == {r.id for r in kept}
    old = raw(valid("rain") | {"observed_at": "1970-01-01T00:00:00Z", "rain_mm": 60.0})
    assert [answer.accepted for answer in bench.send([(old, None)])] == [1]
    assert bench.alerts() == []
    bench.send([(raw(valid("rain", interval_s=3600, rain_mm=60.0)), None)])
    assert bench.alerts() == [3]
    assert bench.engine.faults == {}
    assert bench.engine.log.dead(CITY) == {}


def decodes_well(payload: bytes) -> bool:
    packer = Packer(a_bundle())
    return any(packer.add(said, NOW, "") is None for said in decode(payload, "", NOW).readings)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.text().map(str.encode)
)
def test_decoding_never_raises_and_never_is_silent(payload: bytes) -> None:
    decoded = decode(payload, "x", NOW)
    assert decoded.readings or decoded.rejects
    for reject in decoded.rejects:
        assert reject.detail
        assert type(reject).model_validate_json(reject.model_dump_json()) == reject


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(VALID)), st.data())
def test_a_good_reading_with_one_field_of_any_value_is_a_reading_or_a_reject(
    kind: str, data: st.DataObject
) -> None:
    good = valid(kind)
    field = data.draw(st.sampled_from(sorted(good)))
    payload = json.dumps(good | {field: data.draw(json_values)}).encode()
    decoded = decode(payload, "x", NOW)
    assert len(decoded.readings) + len(decoded.rejects) == 1


def play(chance: Random, count: int, kinds: tuple[str, ...]) -> Pipeline:
    """Valid random readings through the whole pipeline, by way of the wire and the log."""
    bundle = a_bundle()
    pipeline, packer, now = Pipeline(bundle, CITY), Packer(bundle), NOW
    while count > 0:
        now += chance.choice((0, 1, SECOND, MINUTE, 5 * MINUTE, HOUR, 30 * HOUR))
        for _ in range(chance.choice((1, 1, 5, 20))):
            count -= 1
            take(packer, chance, chance.choice(kinds), now)
        for placed in packer.take().get(CITY, []):
            pipeline.process([decode_record(encode_record(placed.packet))])
    return pipeline


def take(packer: Packer, chance: Random, kind: str, now: Micros) -> None:
    made = reading(chance, kind, now)
    made |= {"area": VILLAGE} if kind == "forecast" else {"station": f"{kind}-{chance.randrange(3)}"}
    decoded = decode(json.dumps(made).encode(), "x", now)
    # The longest traces have more digits than a payload may have bytes.
    assert [reject.detail for reject in decoded.rejects if reject.reason is not RejectReason.TOO_LARGE] == []
    for said in decoded.readings:
        reject = packer.add(said, now, "x")
        # A slow trace of many samples may end in the future.
        assert reject is None or (kind == "seismic" and reject.reason is RejectReason.CLOCK_AHEAD)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([*[(kind,) for kind in OWN], tuple(KINDS)]))
def test_no_valid_reading_however_odd_stops_the_pipeline(seed: int, kinds: tuple[str, ...]) -> None:
    play(Random(seed), 40, kinds)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", OWN)
def test_a_long_series_of_odd_readings_leaves_a_state_that_can_be_restored(kind: str) -> None:
    pipeline = play(Random(5), 700, (kind,))
    state = pipeline.state()
    again = Pipeline(a_bundle(), CITY)
    again.restore(state)
    assert again.state() == state


def test_the_most_that_each_limit_allows_is_taken() -> None:
    at = from_micros(NOW - 3 * HOUR).isoformat()
    seen = {"label": "flame", "confidence": 1, "box": [0, 0, 1, 1]}
    odd = [
        valid("rain", rain_mm=2000, interval_s=0.001),
        valid("rain", station="rain-1", rain_mm=2000, interval_s=31 * 86400),
        valid(
            "landslide", displacement_mm=1e6, crack_mm=-1e6, gnss_mm=[1e6, -1e6, 1e6], tilt_deg=[180, -180]
        ),
        valid("seismic", observed_at=at, sample_rate_hz=2000, samples=[1e12, -1e12] * 100_000),
        valid("seismic", sample_rate_hz=0.1, samples=[0.0]),
        valid("camera", azimuth_deg=360, field_of_view_deg=360, detections=[seen] * 1000),
    ]
    pipeline, packer = Pipeline(a_bundle(), CITY), Packer(a_bundle())
    for fields in odd:
        (said,) = decode(json.dumps(fields).encode(), "x", NOW).readings
        assert packer.add(said, NOW, "x") is None
    pipeline.process([placed.packet for placed in packer.take()[CITY]])
