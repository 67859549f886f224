"""The disk of a gateway that is cut off: in order, bounded, one process at a time, and there after a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.logs.store import LogFull
from runtime.offline.buffer import BufferInUse, DiskBuffer
from schemas.log import Tick, decode_record
from schemas.reject import RejectReason, make_reject

MUCH = 1024 * 1024


def records(*times: int) -> list[tuple[str, int, Tick]]:
    return [("5119", at_us, Tick(at_us)) for at_us in times]


def times(buffer: DiskBuffer) -> list[int]:
    return [decode_record(one.body).at_us for one in buffer.oldest(1000, MUCH)]  # type: ignore[union-attr]


def test_what_is_kept_comes_out_in_its_order_until_it_is_forgotten_also_after_a_restart(
    tmp_path: Path,
) -> None:
    buffer = DiskBuffer(tmp_path / "a.db", MUCH)
    buffer.keep(records(1, 2))
    buffer.keep(records(3))
    buffer.note("configuration", "abc")
    assert (buffer.records, times(buffer), buffer.oldest_us()) == (3, [1, 2, 3], 1)
    size = buffer.size
    buffer.close()
    buffer = DiskBuffer(tmp_path / "a.db", MUCH)
    assert (buffer.records, buffer.size, times(buffer)) == (3, size, [1, 2, 3])
    assert buffer.noted("configuration") == "abc"
    second = buffer.oldest(2, MUCH)[-1]
    buffer.forget(second.sequence)
    buffer.keep(records(4))
    assert (buffer.records, times(buffer), buffer.oldest_us()) == (2, [3, 4], 3)
    buffer.forget(buffer.oldest(9, MUCH)[-1].sequence)
    assert (buffer.records, buffer.size, buffer.oldest_us()) == (0, 0, None)
    buffer.keep(records(5))
    assert times(buffer) == [5]
    buffer.close()


def test_a_part_has_at_most_so_many_bytes_and_never_none(tmp_path: Path) -> None:
    buffer = DiskBuffer(tmp_path / "a.db", MUCH)
    buffer.keep(records(*range(10)))
    one = len(buffer.oldest(1, 0)[0].body)
    assert len(buffer.oldest(10, 3 * one)) == 3
    buffer.close()


def test_a_full_buffer_takes_nothing_new_and_keeps_what_is_oldest(tmp_path: Path) -> None:
    buffer = DiskBuffer(tmp_path / "a.db", 300)
    buffer.keep(records(0))
    taken = 300 // buffer.size
    for number in range(1, taken):
        buffer.keep(records(number))
    with pytest.raises(LogFull, match=r"a\.db is full \(\d records wait in it\)"):
        buffer.keep(records(taken))
    assert times(buffer) == list(range(taken))
    reject = make_reject(1, "test", RejectReason.BLANK, "empty", b"")
    with pytest.raises(LogFull):
        buffer.keep_rejects([reject])
    buffer.forget(buffer.oldest(1, 0)[0].sequence)
    buffer.keep(records(100))
    assert times(buffer) == [*range(1, taken), 100]
    buffer.close()


def test_rejects_wait_beside_records(tmp_path: Path) -> None:
    buffer = DiskBuffer(tmp_path / "a.db", MUCH)
    rejects = [make_reject(n, "test", RejectReason.BLANK, "empty", b"\xff%d" % n) for n in range(3)]
    buffer.keep_rejects(rejects)
    assert [reject for _, reject in buffer.oldest_rejects(9)] == rejects
    buffer.forget_rejects(buffer.oldest_rejects(2)[-1][0])
    assert (buffer.rejects, [reject for _, reject in buffer.oldest_rejects(9)]) == (1, rejects[2:])
    buffer.close()


def test_another_process_is_refused(tmp_path: Path) -> None:
    buffer = DiskBuffer(tmp_path / "a.db", MUCH)
    other = "\n".join(
        [
            "import sys; from pathlib import Path",
            "from runtime.offline.buffer import DiskBuffer",
            "DiskBuffer(Path(sys.argv[1]), 9)",
        ]
    )
    said = subprocess.run(
        [sys.executable, "-c", other, str(tmp_path / "a.db")], capture_output=True, text=True, check=False
    )
    assert BufferInUse.__name__ in said.stderr
    assert "give each gateway a --name of its own" in said.stderr
    buffer.close()
