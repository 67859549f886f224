"""What counts as standing still, and what does not."""

from __future__ import annotations

import threading

import pytest

from runtime.worker import watchdog
from runtime.worker.watchdog import Shown, Stillness, Watchdog


def looks(*shown: Shown | None) -> tuple[int, str]:
    stillness = Stillness()
    for one in shown[:-1]:
        stillness.look(one)
    return stillness.look(shown[-1])


def beats(count: int, behind: dict[int, int], waits_for: str | None = None) -> list[Shown]:
    return [Shown(beat, behind, waits_for) for beat in range(count)]


def test_commits_that_stand_still_behind_the_logs_end_count() -> None:
    assert looks(*beats(5, {1: 40, 3: 7})) == (4, "partition 1 of the log")
    assert looks(*beats(1, {1: 40})) == (0, "")


def test_a_commit_that_moves_or_nothing_left_to_commit_begins_again() -> None:
    assert looks(*beats(5, {1: 40}), Shown(9, {1: 41}, None)) == (0, "")
    assert looks(*beats(5, {1: 40}), Shown(9, {}, None), Shown(10, {1: 40}, None)) == (0, "")


def test_who_says_what_it_waits_for_does_not_hang() -> None:
    assert looks(*beats(9, {1: 40}, "area 5119: the ledger is away")) == (0, "")
    assert looks(*beats(9, {1: 40}, "the ledger is away"), *beats(3, {1: 40}))[0] == 3


def test_a_loop_that_shows_nothing_new_hangs() -> None:
    same = Shown(7, {}, None)
    assert looks(None, same, same, same) == (2, "the event loop")
    assert looks(None, None) == (0, "")  # it has not begun yet


def test_one_that_hangs_is_started_anew_once_and_says_so_before(caplog: pytest.LogCaptureFixture) -> None:
    anew = threading.Event()
    dog = Watchdog(limit_s=0.3, look_s=0.02, restart=anew.set)
    dog.show(Shown(1, {2: 7}, None))
    dog.start()
    assert anew.wait(10)
    assert "worker.hangs what='the event loop'" in caplog.text
    assert dog.stands_still == "the event loop has stood still for 0 s"


def test_a_new_process_takes_the_place_with_the_same_command(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("os.execv", lambda path, words: called.append((path, words)))
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "runtime.cli", "worker"])
    monkeypatch.delenv(watchdog.RESTARTS_VARIABLE, raising=False)
    watchdog.start_anew()
    watchdog.start_anew()
    assert [words for _, words in called] == [["python", "-m", "runtime.cli", "worker"]] * 2
    assert watchdog.restarts() == 2
