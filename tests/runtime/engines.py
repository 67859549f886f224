"""What every engine must keep, whatever carries its log; a new engine joins by one line in `ENGINES` of a test file.

An engine is driven from outside: bytes go in, decisions come out of its ledger. Its valley and the county beside it are
an association area each (`association_tier: county`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from alerting.ledger import Ledger
from schemas.act import Act
from tests.runtime.valley import COUNTY, NEXT_COUNTY, failing_slope, heavy_rain

UNTIL = datetime(2026, 7, 18, 4, tzinfo=UTC)


class Engine(Protocol):
    """A running engine over the valley and the next county, its clock at `UNTIL` and standing."""

    ledger: Ledger

    def send(self, *payloads: bytes) -> list[tuple[int, list[str]]]:
        """Give payloads; when each is durable: how many readings were taken, and the reasons of the rejects."""
        ...

    def act(self, act: Act) -> Act:
        """Give an act; its judgement."""
        ...

    def settle(self) -> None:
        """Wait until everything sent has been decided, in every area's log."""
        ...

    def crash(self) -> None:
        """End without saving, and start again on the same log and ledger."""
        ...


Make = Callable[[Any], AbstractContextManager[Engine]]


def slope(number: int = 1) -> list[bytes]:
    """A slope that fails, reading by reading."""
    return [json.dumps(reading).encode() for reading in failing_slope(number, UNTIL)]


def keeps_alerts_and_notices(engine: Engine) -> None:
    engine.send(*slope())
    engine.settle()
    (alert,) = [alert for alert in engine.ledger.alerts_in_force() if alert.hazard == "landslide"]
    assert alert.level == 4
    assert {notice.channel for notice in engine.ledger.notices_of_alert(alert.id)} >= {"sms", "webhook"}


def counts_a_repeat_once(engine: Engine) -> None:
    engine.send(*slope())
    engine.settle()
    before = outcome(engine)
    engine.send(*slope())
    engine.settle()
    assert outcome(engine) == before


def answers_for_each_payload(engine: Engine) -> None:
    good, bad = slope()[0], b'{"kind":"landslide","station":"LS-999","observed_at":"x"}'
    unknown = json.dumps(json.loads(good) | {"station": "LS-9999"}).encode()
    answers = engine.send(good, bad, unknown, b"[" + good + b",7]")
    assert answers == [(1, []), (0, ["invalid"]), (0, ["unknown_station"]), (1, ["invalid"])]
    reasons = sorted(reject.reason.value for reject in engine.ledger.rejects())
    assert reasons == ["invalid", "invalid", "unknown_station"]


def judges_an_act_once(engine: Engine) -> None:
    engine.send(*slope())
    engine.settle()
    (alert,) = [alert for alert in engine.ledger.alerts_in_force() if alert.hazard == "landslide"]
    act = Act(id="a-1", act="acknowledge", by="值班员", at=UNTIL, alert=alert.id, version=alert.version)
    assert engine.act(act).outcome == "done"
    assert engine.act(act) == engine.ledger.act("a-1")
    assert len(engine.ledger.acts()) == 1


def goes_on_after_a_crash(engine: Engine) -> None:
    readings = slope()
    engine.send(*readings[:-4])
    engine.settle()
    engine.crash()
    engine.send(*readings[-4:])
    engine.settle()
    after = outcome(engine)
    engine.crash()
    engine.settle()
    assert outcome(engine) == after
    assert [a.level for a in engine.ledger.alerts_in_force() if a.hazard == "landslide"] == [4]


def keeps_a_reading_of_1970_and_scores_the_next(engine: Engine) -> None:
    old = json.dumps(json.loads(slope()[0]) | {"observed_at": "1970-01-01T00:00:00Z"}).encode()
    assert engine.send(old) == [(1, [])]
    engine.settle()
    assert outcome(engine) == []
    keeps_alerts_and_notices(engine)


def tells_the_next_county_what_it_found_there(engine: Engine) -> None:
    # The next county's town has no gauge of its own: it is graded in the valley's log, and warned in its own.
    rain = [json.dumps(reading).encode() for reading in heavy_rain(0, UNTIL)]
    engine.send(*rain)
    engine.settle()
    floods = [alert for alert in engine.ledger.alerts_in_force() if alert.hazard == "flash_flood"]
    assert {alert.area: engine.ledger.association_of_alert(alert.id) for alert in floods} == {
        f"{COUNTY}001": COUNTY,
        f"{NEXT_COUNTY}001": NEXT_COUNTY,
    }
    after = outcome(engine)
    engine.crash()  # and with it everything is forwarded again
    engine.send(*rain)
    engine.settle()
    assert outcome(engine) == after


def outcome(engine: Engine) -> list[str]:
    """What the ledger holds that follows from the log."""
    alerts = engine.ledger.newest_alerts(10_000)
    return [alert.model_dump_json() for alert in alerts]


every_engine_passes = [
    keeps_alerts_and_notices,
    counts_a_repeat_once,
    answers_for_each_payload,
    judges_an_act_once,
    goes_on_after_a_crash,
    keeps_a_reading_of_1970_and_scores_the_next,
    tells_the_next_county_what_it_found_there,
]
