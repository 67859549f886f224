"""What gateways told people by themselves is not said again, and everything else is."""

from __future__ import annotations

from typing import Any

import pytest

from alerting.ledger import Ledger
from alerting.ledger.told import Told, add
from schemas.notice import Notice, NoticeState
from schemas.times import MINUTE, from_micros
from tests.alerting.ledger.making import AREA, NOW, a_notice, an_alert

SENT_US = NOW + 2 * MINUTE


def told(**more: Any) -> Told:
    """That the person of `a_notice` heard of the alert of `an_alert`."""
    words: dict[str, Any] = {
        "gateway": "edge",
        "began_us": NOW - MINUTE,
        "recipient": "p-1",
        "channel": "sms",
        "hazard": "flash_flood",
        "area": "511921100",
        "level": 3,
        "until_us": NOW + 5 * MINUTE,
        "at_us": SENT_US,
    }
    return Told(**{**words, **more})


def remember(ledger: Ledger, *rows: Told) -> None:
    with ledger.database.write() as connection:
        add(connection, rows)


def claimed(ledger: Ledger, *notices: Notice) -> set[str]:
    """Which of some notices a dispatcher gets to send."""
    claims = ledger.claim_due(NOW + MINUTE, 10, "d-1", 60.0, machine_us=NOW)
    assert {claim.notice.id for claim in claims} <= {notice.id for notice in notices}
    return {claim.notice.id for claim in claims}


@pytest.mark.parametrize("level", [3, 4])
def test_what_was_told_at_least_as_high_counts_as_sent_then(ledger: Ledger, level: int) -> None:
    remember(ledger, told(level=level), told(level=level))
    ledger.write_decisions(AREA, 1, alerts=[an_alert()], notices=[a_notice()])
    assert claimed(ledger, a_notice()) == set()
    notice = ledger.notice(a_notice().id)
    assert notice is not None
    assert (notice.state, notice.attempts, notice.sent_at) == (NoticeState.SENT, 0, from_micros(SENT_US))
    assert notice.error == "told by gateway edge, which was cut off"
    assert claimed(ledger, a_notice()) == set()


@pytest.mark.parametrize(
    "another",
    [
        {"level": 2},
        {"level": 0},
        {"recipient": "p-2"},
        {"channel": "webhook"},
        {"hazard": "landslide"},
        {"area": "511921101"},
        {"until_us": NOW - 1},
    ],
    ids=str,
)
def test_what_was_told_otherwise_hides_nothing(ledger: Ledger, another: dict[str, Any]) -> None:
    remember(ledger, told(**another))
    ledger.write_decisions(AREA, 1, alerts=[an_alert()], notices=[a_notice()])
    assert claimed(ledger, a_notice()) == {a_notice().id}


def test_a_notice_of_several_places_goes_unless_all_were_told(ledger: Ledger) -> None:
    places = [an_alert("a-1"), an_alert("a-2", area="511921102")]
    notice = a_notice(("a-1", 1), ("a-2", 1))
    remember(ledger, told())
    ledger.write_decisions(AREA, 1, alerts=places, notices=[notice])
    assert claimed(ledger, notice) == {notice.id}


def test_a_notice_of_several_places_is_hidden_where_all_were_told(ledger: Ledger) -> None:
    places = [an_alert("a-1"), an_alert("a-2", area="511921102")]
    notice = a_notice(("a-1", 1), ("a-2", 1))
    remember(ledger, told(), told(area="511921102"))
    ledger.write_decisions(AREA, 1, alerts=places, notices=[notice])
    assert claimed(ledger, notice) == set()


def test_the_end_is_told_unless_it_was(ledger: Ledger) -> None:
    remember(ledger, told())
    end = an_alert(version=2, type="cancel", level=0)
    notice = a_notice(("a-1", 2), cancel=True, level=0)
    ledger.write_decisions(AREA, 1, alerts=[an_alert(), end], notices=[a_notice()])
    assert claimed(ledger, a_notice()) == set()
    ledger.write_decisions(AREA, 2, notices=[notice])
    assert claimed(ledger, notice) == {notice.id}, "whoever heard the warning from a gateway hears its end"


def test_an_end_that_was_told_is_not_told_again(ledger: Ledger) -> None:
    remember(ledger, told(), told(level=0, at_us=SENT_US + 1))
    end = an_alert(version=2, type="cancel", level=0)
    notices = [a_notice(), a_notice(("a-1", 2), cancel=True, level=0)]
    ledger.write_decisions(AREA, 1, alerts=[an_alert(), end], notices=notices)
    assert claimed(ledger, *notices) == set()


def test_another_person_is_told(ledger: Ledger) -> None:
    remember(ledger, told())
    notices = [a_notice(), a_notice(recipient="p-2")]
    ledger.write_decisions(AREA, 1, alerts=[an_alert()], notices=notices)
    assert claimed(ledger, *notices) == {notices[1].id}
