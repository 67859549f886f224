"""Which configuration is in force: put there once, remembered in order, and told to the logs before it counts."""

from __future__ import annotations

import pytest

from alerting.ledger import Configured, Ledger
from tests.alerting.ledger.making import NOW


def test_the_newest_is_in_force_and_the_logs_are_told_once(ledger: Ledger) -> None:
    told: list[str] = []
    assert ledger.configuration() is None
    assert ledger.configure(Configured("a", NOW), lambda: told.append("a"))
    assert not ledger.configure(Configured("a", NOW + 1), lambda: told.append("a again"))
    assert ledger.configure(Configured("b", NOW), lambda: told.append("b"))
    assert ledger.configuration() == ("b", NOW)
    assert ledger.configure(Configured("a", NOW + 2), lambda: told.append("back to a"))
    assert ledger.configuration() == ("a", NOW + 2)
    assert told == ["a", "b", "back to a"]


def test_what_the_logs_do_not_take_is_not_in_force(ledger: Ledger) -> None:
    def refuse() -> None:
        raise RuntimeError("no log")

    with pytest.raises(RuntimeError, match="no log"):
        ledger.configure(Configured("a", NOW), refuse)
    assert ledger.configuration() is None
