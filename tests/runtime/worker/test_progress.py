"""How far a worker is: recovered once all is taken that stood in the log when its partitions were given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from runtime.worker.progress import Place, Progress


@pytest.fixture
def progress() -> Iterator[Progress]:
    made = Progress()
    yield made
    made.gone()


def said(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"fenghuo_{name}", labels)


def test_it_is_recovered_when_all_that_stood_there_is_taken(progress: Progress) -> None:
    progress.given({0, 2}, 100.0)
    assert not progress.recovered
    assert "have not said yet where it ends" in progress.faults()[0]
    progress.stands({0: Place(0, None, 0), 2: Place(0, 10, 50)}, 101.0, 101.0)
    assert said("partitions_recovering") == 1
    assert progress.faults() == [
        "partition 2 of the log is being recovered: 40 records are left; warnings of its areas are late"
    ]
    progress.took(2, 30)
    progress.stands({0: Place(0, None, 0), 2: Place(0, 20, 90)}, 102.0, 102.0)
    assert (said("lag_records", log="2"), said("uncommitted_records", log="2")) == (60, 70)
    # What came since belongs to the running work, not to the recovery.
    progress.took(2, 50)
    assert progress.recovered
    assert progress.faults() == []
    progress.stands({0: Place(0, None, 0), 2: Place(0, 50, 95)}, 107.5, 107.5)
    assert (said("recovery_seconds"), said("partitions_recovering")) == (7.5, 0)


def test_what_was_asked_before_it_was_given_says_nothing(progress: Progress) -> None:
    progress.given({1}, 5.0)
    progress.stands({1: Place(0, 7, 7)}, 4.9, 5.1)
    assert not progress.recovered


def test_what_an_earlier_process_has_committed_need_not_come_again(progress: Progress) -> None:
    progress.given({1}, 0.0)
    progress.stands({1: Place(0, 80, 80)}, 1.0, 1.0)
    assert progress.recovered
    assert not progress.behind(1)


def test_a_log_whose_beginning_is_pruned_is_not_waited_for(progress: Progress) -> None:
    progress.given({1}, 0.0)
    progress.stands({1: Place(70, None, 70)}, 1.0, 1.0)
    assert progress.recovered
    assert said("uncommitted_records", log="1") == 0


def test_who_was_given_nothing_has_nothing_to_recover(progress: Progress) -> None:
    progress.given(set(), 0.0)
    assert progress.recovered
    assert progress.faults() == []


def test_what_is_another_workers_is_no_longer_told_here(progress: Progress) -> None:
    progress.given({3}, 0.0)
    progress.stands({3: Place(0, 0, 5)}, 1.0, 1.0)
    assert said("lag_records", log="3") == 5
    progress.gone()
    assert said("lag_records", log="3") is None
    progress.stands({3: Place(0, 0, 9)}, 2.0, 2.0)
    progress.took(3, 4)
    assert said("lag_records", log="3") is None
