"""Files set the log's time by what their lines say, and no line that lies moves it."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ingest.sources.file import FromFile, read_files
from schemas.reject import Reject

CHINA = timezone(timedelta(hours=8))
BEGIN = datetime(2026, 7, 18, 8, 0, tzinfo=CHINA)


def line(minutes: float, station: str = "R-1", received: float | None = None) -> str:
    reading = {
        "kind": "rain",
        "station": station,
        "observed_at": (BEGIN + timedelta(minutes=minutes)).isoformat(),
        "interval_s": 300,
        "rain_mm": 1.0,
    }
    if received is not None:
        reading["received_at"] = (BEGIN + timedelta(minutes=received)).isoformat()
    return json.dumps(reading)


def read(*paths: Path) -> list[FromFile]:
    return list(read_files(paths, lambda _: None, lambda _: None))


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def minutes(entry: FromFile) -> float:
    return (entry.now - int(BEGIN.timestamp() * 1e6)) / 60e6


def told(entries: list[FromFile]) -> list[float | str]:
    return [
        entry.item.reason.value if isinstance(entry.item, Reject) else minutes(entry) for entry in entries
    ]


def test_time_is_the_greatest_so_far(tmp_path: Path) -> None:
    assert told(read(written(tmp_path / "a.jsonl", line(0), line(10), line(5), line(15)))) == [0, 10, 10, 15]


def test_received_at_is_the_log_time_where_it_is_given(tmp_path: Path) -> None:
    assert told(
        read(written(tmp_path / "a.jsonl", line(0, received=1), line(1, received=500), line(2, received=501)))
    ) == [1, 500, 501]


def test_a_line_far_ahead_moves_time_only_if_the_next_agrees(tmp_path: Path) -> None:
    agreed = written(tmp_path / "a.jsonl", line(0), line(300), line(299))
    assert told(read(agreed)) == [0, 300, 300]
    alone = written(tmp_path / "b.jsonl", line(0), line(300), line(5), line(10))
    assert told(read(alone)) == [0, "clock_ahead", 5, 10]


def test_a_first_line_far_ahead_does_not_spoil_the_file(tmp_path: Path) -> None:
    ahead = written(tmp_path / "a.jsonl", line(600), line(5), line(10), line(15))
    assert told(read(ahead)) == ["clock_ahead", 5, 10, 15]


def test_a_late_second_line_does_not_make_the_first_a_lie(tmp_path: Path) -> None:
    late = written(tmp_path / "a.jsonl", line(600), line(-(10**6)), line(605))
    assert told(read(late)) == [600, 600, 605]
    assert told(read(written(tmp_path / "b.jsonl", line(600), line(5)))) == [600, 600]


def test_a_last_line_may_be_thirty_days_ahead_and_no_more(tmp_path: Path) -> None:
    day = 24 * 60
    assert told(read(written(tmp_path / "a.jsonl", line(0), line(29 * day)))) == [0, 29 * day]
    assert told(read(written(tmp_path / "b.jsonl", line(0), line(31 * day)))) == [0, "clock_ahead"]


def test_several_files_are_merged_by_their_time_and_none_is_sorted(tmp_path: Path) -> None:
    one = written(tmp_path / "a.jsonl", line(0, "A"), line(20, "A"), line(10, "A"))
    two = written(tmp_path / "b.jsonl", line(0, "B"), line(15, "B"), line(25, "B"))
    entries = read(one, two)
    assert [entry.item.station for entry in entries if not isinstance(entry.item, Reject)] == [
        "A",
        "B",
        "B",
        "A",
        "A",
        "B",
    ]


def test_bad_lines_are_named_by_number_and_spoil_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(0) + "\n\n{broken\n" + f"[{line(1)},{line(2)}]" + "\r\n" + line(3))
    entries = read(path)
    assert told(entries) == [0, "blank", "not_json", 1, 2, 3]
    assert [entry.source for entry in entries] == [f"a.jsonl:{n}" for n in (1, 2, 3, 4, 4, 5)]


def test_gzip_is_read_and_a_torn_file_says_so(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join(line(n) for n in range(1000)).encode())
    whole, torn = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    whole.write_bytes(packed)
    torn.write_bytes(packed[: len(packed) // 2])
    assert len(read(whole)) == 1000
    assert told(read(torn))[-1] == "unreadable"


@pytest.mark.parametrize("line_count", [1, 3])
def test_what_was_read_is_told_in_bytes(tmp_path: Path, line_count: int) -> None:
    path = written(tmp_path / "a.jsonl", *[line(n) for n in range(line_count)])
    told_bytes: list[int] = []
    list(read_files([path], told_bytes.append, lambda _: None))
    assert sum(told_bytes) == path.stat().st_size
