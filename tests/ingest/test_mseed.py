"""miniSEED: records become readings in order of their ends; what is broken is a reject and spoils nothing."""

from pathlib import Path

import pymseed
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decoders.mseed import decode_mseed
from ingest.packing import report_end
from schemas.reject import Reject, RejectReason
from schemas.times import to_micros
from schemas.wire import Said, Seismic
from tests.ingest.decoders import Subject, every_decoder_passes

CONTENT = (
    Path(__file__).parents[1] / "data" / "seismic" / "guerrero_2018_m5.3" / "records.mseed"
).read_bytes()
RECORD = 512
FEW = CONTENT[: 12 * RECORD]


def decoded(content: bytes, known: str | None = "*") -> tuple[list[Seismic], list[Reject]]:
    items = [item for item, _ in decode_mseed(content, "f.mseed", lambda code: code if known else None)]
    readings = [item for item in items if isinstance(item, Seismic)]
    return readings, [item for item in items if isinstance(item, Reject)]


def items(content: bytes) -> list[Said | Reject]:
    readings, rejects = decoded(content)
    return [*readings, *rejects]


@pytest.mark.parametrize("check", every_decoder_passes, ids=lambda check: check.__name__)
def test_mseed_keeps_the_contract(check):
    check(Subject(items, (FEW, CONTENT[:RECORD])))


def test_every_record_is_a_reading_and_they_come_in_order_of_their_ends():
    readings, rejects = decoded(CONTENT)
    assert not rejects
    assert len(readings) == len(CONTENT) // RECORD
    assert len({r.station for r in readings}) == 17
    ends = [report_end(r) for r in readings]
    assert ends == sorted(ends)


def test_a_reading_is_what_the_record_says():
    first = pymseed.MS3Record.parse(CONTENT, unpack_data=True)
    (reading,), _ = decoded(CONTENT[:RECORD])
    assert reading.station == "OE.MX000"
    assert reading.channel == "BNZ"
    assert reading.unit == "count"
    assert reading.sample_rate_hz == pytest.approx(31.3265, abs=1e-3)
    assert reading.samples == list(first.np_datasamples)
    assert to_micros(reading.observed_at) == round(first.starttime / 1000)


def test_the_source_names_the_byte_of_the_record():
    places = [source for _, source in decode_mseed(FEW, "f.mseed", lambda code: code)]
    assert sorted(places) == sorted(f"f.mseed@{RECORD * k}" for k in range(12))


def test_a_station_that_the_configuration_lacks_is_a_reject():
    readings, rejects = decoded(FEW, known=None)
    assert not readings
    assert {r.reason for r in rejects} == {RejectReason.UNKNOWN_STATION}
    assert "'OE.MX000' nor 'MX000'" in rejects[0].detail


@pytest.mark.parametrize(
    ("broken", "good"),
    [
        (b"no seismogram at all" * 100, 0),
        (FEW[: RECORD + 188], 1),
        (FEW[:80] + b"\xff" * 300 + FEW[380:], 11),
    ],
    ids=["text", "cut off", "overwritten"],
)
def test_what_is_broken_is_a_reject(broken, good):
    readings, rejects = decoded(broken)
    assert len(readings) == good
    assert [r.reason for r in rejects] == [RejectReason.UNREADABLE]


def test_records_after_rubbish_are_found_again():
    readings, rejects = decoded(FEW[: 3 * RECORD] + b"\x00rubbish\x00" * 11 + FEW[3 * RECORD :])
    assert len(readings) == 12
    assert len(rejects) == 1


def test_nothing_says_nothing():
    assert decoded(b"") == ([], [])


def test_text_records_and_impossible_rates_are_rejects():
    record = pymseed.MS3Record()
    record.sourceid, record.samprate, record.reclen = "FDSN:XX_ABC__L_O_G", 0.0, RECORD
    record.set_starttime_str("2026-05-12T06:28:00Z")
    record.formatversion, record.encoding = 2, pymseed.DataEncoding.TEXT
    packed = b"".join(record.generate(data_samples="a word", sample_type="t"))
    readings, rejects = decoded(packed)
    assert not readings
    assert rejects[0].reason is RejectReason.INVALID


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(FEW) - 1), st.integers(0, 255)), max_size=40))
def test_no_bytes_raise(changes):
    content = bytearray(FEW)
    for place, value in changes:
        content[place] = value
    readings, rejects = decoded(bytes(content))
    assert readings or rejects


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_no_noise_raises(content):
    readings, rejects = decoded(content)
    assert not readings
    assert bool(rejects) == bool(content)
