"""The canonical decoder: JSON objects and arrays, each member for itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from ingest.decoders.canonical import MAX_BYTES, decode, decode_lines
from schemas.reject import Reject
from schemas.wire import Said
from tests.ingest.decoders import Subject, every_decoder_passes

RAIN = {
    "kind": "rain",
    "station": "R-1",
    "observed_at": "2026-07-18T08:00:00+08:00",
    "interval_s": 300,
    "rain_mm": 1,
}
CAMERA = {
    "kind": "camera",
    "station": "C-1",
    "observed_at": "2026-07-18T08:00:00+08:00",
    "azimuth_deg": 3,
} | {
    "field_of_view_deg": 60,
    "detections": [{"label": "smoke", "confidence": 0.5, "box": [0, 0, 0.1, 0.1]}],
}
GOOD = (
    json.dumps(RAIN).encode(),
    json.dumps([RAIN, CAMERA]).encode(),
    b"  " + json.dumps(CAMERA).encode() + b"\n",
)


def items(content: bytes) -> Sequence[Said | Reject]:
    decoded = decode(content, "test", 0)
    return [*decoded.readings, *decoded.rejects]


@pytest.mark.parametrize("check", every_decoder_passes, ids=lambda check: check.__name__)
def test_canonical_keeps_the_contract(check: Callable[[Subject], None]) -> None:
    check(Subject(items, GOOD))


def reasons(content: bytes) -> list[str]:
    return [reject.reason.value for reject in decode(content, "test", 0).rejects]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "blank"),
        (b" \n", "blank"),
        (b"[]", "blank"),
        (b"{", "not_json"),
        (b'{"kind":"rain"}', "invalid"),
        (b'{"kind":"hail"}', "invalid"),
        (b"null", "invalid"),
        (b"\xff", "not_text"),
        (b"[" * 100_000, "too_deep"),
        (b" " * (MAX_BYTES + 1), "too_large"),
    ],
)
def test_a_reject_has_its_reason(content: bytes, reason: str) -> None:
    assert reasons(content) == [reason]


def test_a_bad_member_spoils_no_other() -> None:
    decoded = decode(b"[" + GOOD[0] + b",{}," + GOOD[0] + b"]", "test", 0)
    assert (len(decoded.readings), len(decoded.rejects)) == (2, 1)


def test_an_unknown_field_is_left_out_and_named() -> None:
    decoded = decode(json.dumps(RAIN | {"colour": 1, "wind": 2}).encode(), "test", 0)
    assert len(decoded.readings) == 1
    assert sorted(decoded.unknown_fields) == [("R-1", "colour"), ("R-1", "wind")]


def test_lines_are_one_reading_each_or_each_is_looked_at_alone() -> None:
    line = GOOD[0]
    assert len(decode_lines([line, line]) or []) == 2
    assert decode_lines([line, b""]) is None
    assert decode_lines([line, line + b"," + line]) is None
    # Two broken lines must not grow together into good ones.
    assert decode_lines([line + b',{"kind":"rain"', line[1:-1] + b"}"]) is None
