"""Records of the log come back from their bytes as they went in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.act import Act
from schemas.log import (
    ActRecord,
    Broken,
    BrokenRecord,
    ConfigurationRecord,
    Record,
    Tick,
    UnreadableRecord,
    decode_record,
    encode_record,
    read_record,
)
from schemas.packet import Packet, make_packet, merged
from schemas.times import from_micros

T = 1_784_300_000_000_000


def camera_packet() -> Packet:
    return make_packet(
        "camera",
        "b" * 64,
        [3, 1, 3],
        [T, T + 1, T + 2],
        [T + 5, T + 6, T + 7],
        {"azimuth_deg": [1.0, 2.0, 3.0], "field_of_view_deg": [60, 60, 60], "sequence": [1, 2, 3]},
        lengths=[0, 2, 1],
        parts={
            "label": [0, 1, 0],
            "confidence": [0.5, 0.6, 0.7],
            "x0": [0, 0, 0],
            "y0": [0, 0, 0],
            "x1": [1] * 3,
            "y1": [1] * 3,
        },
        texts={"image_url": ["", "x", ""]},
    )


def same(one: Packet, other: Packet) -> bool:
    arrays = ("row", "observed_us", "received_us", "log_us", "flag", "counts")
    return (
        (one.kind, one.bundle, one.texts) == (other.kind, other.bundle, other.texts)
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
        and all(
            np.array_equal(one.columns[n], other.columns[n], equal_nan=one.columns[n].dtype.kind == "f")
            for n in one.columns
        )
        and all(np.array_equal(one.parts[n], other.parts[n]) for n in one.parts)
        and np.array_equal(np.asarray(one.offsets), np.asarray(other.offsets))
    )


def test_a_packet_survives_its_bytes() -> None:
    packet = camera_packet()
    again = decode_record(encode_record(packet))
    assert isinstance(again, Packet)
    assert same(packet, again)


@pytest.mark.parametrize(
    "record",
    [
        Tick(T),
        ConfigurationRecord(T, "c" * 64),
        ActRecord(T, Act(id="1", act="release", by="duty", at=from_micros(T)).model_dump_json().encode()),
    ],
)
def test_other_records_survive_their_bytes(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


def bent(packet: Packet) -> bytes:
    """A packet whose columns do not fit each other."""
    return encode_record(replace(packet, row=packet.row[:-1]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x01",
        b"\x01\xc1",
        b'{"kind":"rain"}',
        b"\xff\xfe",
        encode_record(camera_packet())[:-7],
        bent(camera_packet()),
        encode_record(replace(camera_packet(), offsets=np.array([0, 3, 2, 3]))),
        encode_record(replace(camera_packet(), offsets=np.array([0, 0, 2, 9]))),
    ],
)
def test_broken_bytes_are_named(data: bytes) -> None:
    with pytest.raises(BrokenRecord):
        decode_record(data)
    read = read_record(data)
    assert isinstance(read, Broken)
    assert "log record" in read.reason


def test_nothing_at_a_place_is_no_record() -> None:
    assert isinstance(read_record(None), Broken)


def test_a_later_releases_record_is_not_passed_over() -> None:
    for data in (b"\x02abc", b"\x1fabc"):
        with pytest.raises(UnreadableRecord, match="use the release that wrote it"):
            read_record(data)


def test_spans_put_together_are_the_whole() -> None:
    packet = camera_packet()
    for cut in range(1, len(packet)):
        assert same(packet, merged([packet.span(0, cut), packet.span(cut, len(packet))]))


def test_a_turn_holds_a_station_at_most_once_and_keeps_its_order() -> None:
    packet = make_packet("rain", "b", [5, 7, 5, 5, 7, 9], [T] * 6, [T] * 6, {})
    assert [turn.tolist() for turn in packet.turns()] == [[0, 1, 5], [2, 4], [3]]


def test_parts_belong_to_their_reading() -> None:
    packet = camera_packet()
    assert packet.part("confidence", 0).tolist() == []
    assert packet.part("confidence", 1).tolist() == [0.5, 0.6]
    assert packet.span(1, 3).part("confidence", 1).tolist() == [0.7]
