"""The embedded log keeps what it was given, in order, through a kill, and drops only what it may."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.logs.store import LogFull, LogStore, LogUnreadable, StoredLog
from schemas.log import Tick

CITY, OTHER = "5119", "5120"


def test_each_area_has_positions_of_its_own_without_holes(tmp_path: Path) -> None:
    log = LogStore(tmp_path / "log.db")
    log.append([(CITY, 1, Tick(1)), (OTHER, 2, Tick(2)), (CITY, 3, Tick(3))])
    log.append([(CITY, 4, Tick(4))])
    assert log.read(CITY, 0) == [(1, Tick(1)), (2, Tick(3)), (3, Tick(4))]
    assert log.read(CITY, 2) == [(3, Tick(4))]
    assert (log.end(CITY), log.end(OTHER), log.end("none")) == (3, 1, 0)
    log.close()


def test_it_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    log = LogStore(tmp_path / "log.db")
    log.append([(CITY, 1, Tick(1))])
    log.close()
    log = LogStore(tmp_path / "log.db")
    log.append([(CITY, 2, Tick(2))])
    assert [position for position, _ in log.read(CITY, 0)] == [1, 2]
    log.close()


def test_what_cannot_be_written_leaves_no_trace_and_may_be_given_again(tmp_path: Path) -> None:
    log = LogStore(tmp_path / "log.db")
    log._writer.execute("PRAGMA max_page_count=1")  # a full disk, as SQLite reports it
    many = [(CITY, n, Tick(n)) for n in range(5000)]
    with pytest.raises(LogFull, match="full"):
        log.append(many)
    assert log.end(CITY) == 0
    log._writer.execute("PRAGMA max_page_count=100000")
    log.append(many)
    assert log.end(CITY) == 5000
    log.close()


def test_pruning_keeps_what_lies_ahead_of_the_checkpoint_and_what_is_young(tmp_path: Path) -> None:
    log = LogStore(tmp_path / "log.db")
    log.append([(CITY, n, Tick(n)) for n in range(1, 11)])
    assert log.prune({CITY: 6}, older_than=5) == 4
    assert [position for position, _ in log.read(CITY, 0)] == [5, 6, 7, 8, 9, 10]
    log.append([(CITY, 11, Tick(11))])
    assert log.end(CITY) == 11
    log.close()


def test_a_dead_record_is_kept_with_its_reason(tmp_path: Path) -> None:
    log = LogStore(tmp_path / "log.db")
    log.append([(CITY, 1, Tick(1))])
    log.bury(CITY, 1, "ValueError: no")
    log.close()
    assert LogStore(tmp_path / "log.db").dead(CITY) == {1: "ValueError: no"}


WRITER = """
import sys
from pathlib import Path
from runtime.logs.store import LogStore
from schemas.log import Tick
log = LogStore(Path(sys.argv[1]))
n = 0
while True:
    log.append([("5119", n, Tick(n)) for n in range(n, n + 100)])
    n += 100
    print(n, flush=True)
"""


def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = 0
    for _ in range(50):
        acknowledged = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    writer.wait()
    log = LogStore(path)
    records = log.read(CITY, 0, limit=10**6)
    assert len(records) >= acknowledged
    assert [record.record for record in records] == [Tick(n) for n in range(len(records))]
    log.close()


def test_a_view_of_the_log_is_moved_by_no_writing_and_no_pruning(tmp_path: Path) -> None:
    log = LogStore(tmp_path / "log.db")
    log.append([(CITY, n, Tick(n)) for n in range(1, 11)])
    view = StoredLog(tmp_path / "log.db")
    bodies = view.bodies(CITY)
    seen = [next(bodies)[0]]
    log.append([(CITY, 11, Tick(11))])
    assert log.prune({CITY: 8}, older_than=100) == 8
    log.bury(CITY, 4, "no record")
    seen += [position for position, _ in bodies]
    assert seen == list(range(1, 11))
    assert (view.ends, view.first(CITY)) == ({CITY: 10}, 1)
    assert view.dead(CITY) == {4: "no record"}  # what is dead is asked anew
    view.close()
    assert StoredLog(tmp_path / "log.db").first(CITY) == 9
    log.close()


def test_what_is_no_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match="is not there: no engine has run"):
        StoredLog(tmp_path / "log.db")
    (tmp_path / "other.db").write_text("no database" * 1000)
    with pytest.raises(LogUnreadable, match=r"other\.db cannot be read"):
        StoredLog(tmp_path / "other.db")
