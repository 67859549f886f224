"""The hot path and the models accept and refuse the same payloads."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.reading import READING, explain
from schemas.wire import ONE

GOOD: dict[str, dict[str, Any]] = {
    "rain": {"station": "R-1", "interval_s": 300, "rain_mm": 1.2},
    "landslide": {"station": "L-1", "displacement_mm": 3.5, "gnss_mm": [1, 2, 3.5], "tilt_deg": [0.1, -0.2]},
    "seismic": {
        "station": "S-1",
        "channel": "HNZ",
        "sample_rate_hz": 100,
        "unit": "count",
        "samples": [1, -2.5],
    },
    "camera": {
        "station": "C-1",
        "azimuth_deg": 10,
        "field_of_view_deg": 60,
        "detections": [{"label": "smoke", "confidence": 0.5, "box": [0, 0, 0.5, 1]}],
    },
    "weather": {"station": "W-1", "temperature_c": -3, "humidity_pct": 40},
    "water": {"station": "H-1", "water_level_m": 310.2, "discharge_m3_s": 12},
    "report": {
        "station": "P-1",
        "category": "flood",
        "severity": 3,
        "text": "水进屋了",
        "reporter": "grid-7",
    },
    "hotspot": {"station": "VIIRS", "position": [106.8, 31.9], "confidence": 0.8, "frp_mw": 3},
    "measure": {"station": "M-1", "quantity": "pm25", "value": 12, "unit": "ug/m3", "depth_m": 2},
    "forecast": {
        "area": "511921",
        "from": "2026-07-18T20:00:00+08:00",
        "until": "2026-07-19T20:00:00+08:00",
        "quantity": "rain_mm",
        "value": 60,
        "source": "cma",
    },
}
COMMON = {
    "observed_at": "2026-07-18T14:00:00.5+08:00",
    "sequence": 7,
    "battery_v": 12.1,
    "signal_dbm": -80,
    "received_at": "2026-07-18T06:00:01Z",
}


def good(kind: str) -> dict[str, Any]:
    return {"kind": kind, **GOOD[kind], **COMMON}


def by_models(text: bytes) -> bool:
    try:
        READING.validate_json(text)
    except ValidationError:
        return False
    return True


def by_wire(text: bytes) -> bool:
    try:
        ONE.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_reading_is_taken_by_both_with_the_same_values(kind: str) -> None:
    text = json.dumps(good(kind)).encode()
    said, model = ONE.decode(text), READING.validate_json(text)
    assert msgspec.to_builtins(said) == msgspec.to_builtins(model.model_dump(by_alias=True, mode="python"))


odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=80),
    st.sampled_from(
        [
            "", "rain", "2026-07-18T14:00:00+08:00", "2026-07-18 14:00:00Z", "2026-07-18", "14:00", "1e5", "0", [], {}, [1],
            [1, 2], [1, 2, 3], [0, 0, 1, 1], {"label": "smoke"}, 1e300, -1e300, 2**63, 2**70, -1, 0, 1.0, 7.5, 361, -0.0,
            "2026-07-18T14:00:00", "2026-13-18T14:00:00Z", "2026-07-18T24:00:00Z", "0000-01-01T00:00:00Z",
            "2026-07-18T14:00:00.1234567Z", "2026-07-18T14:00:60Z", "2026-07-18t14:00:00z", "2026-07-18T14:00:00+0800",
        ]
    ),
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(list(GOOD)), st.data())
def test_both_decide_alike_about_a_reading_with_one_odd_field(kind: str, data: st.DataObject) -> None:
    reading = good(kind)
    field = data.draw(st.sampled_from([*reading, "unheard_of"]))
    if data.draw(st.booleans()):
        reading[field] = data.draw(odd_values)
    else:
        reading.pop(field, None)
    text = json.dumps(reading).encode()
    assert by_wire(text) == by_models(text), text


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        odd_values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
    )
)
def test_both_decide_alike_about_anything(value: Any) -> None:
    text = json.dumps(value).encode()
    assert by_wire(text) == by_models(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "0x10", "01", ".5", "1."])
def test_what_is_no_json_number_is_refused_by_both(number: str) -> None:
    text = json.dumps(good("rain")).replace("1.2", number).encode()
    assert not by_wire(text)
    assert not by_models(text)


def test_an_error_names_field_value_and_rule() -> None:
    reading = good("rain") | {"rain_mm": -1.5}
    assert explain(reading) == "rain_mm: Input should be greater than or equal to 0 (got -1.5)"


def test_an_error_about_a_time_says_how_to_write_one() -> None:
    reading = good("rain") | {"observed_at": "2026-07-18T14:00:00"}
    sentence = explain(reading)
    assert sentence is not None
    assert sentence.startswith("observed_at: ")
    assert "RFC 3339 time with an offset" in sentence


def test_limits_are_what_no_instrument_can_measure() -> None:
    assert explain(good("rain") | {"rain_mm": 1825.0}) is None
    assert explain(good("rain") | {"rain_mm": 2000.1}) is not None
