"""From a phone that is not reached to a further notice in the ledger: dispatcher, log and pipeline together."""

from __future__ import annotations

import pytest

from alerting.channels.base import ChannelReceipt, Reason, Sent, Unknown
from alerting.ledger import Ledger
from runtime.clock import HandClock
from runtime.configuration.policy import Policy
from runtime.dispatcher import RESENT
from runtime.pipeline import Pipeline
from schemas.log import ActRecord, Tick
from schemas.notice import NoticeState as S
from schemas.times import HOUR, from_micros
from tests.alerting.town import CITY, T0, TOWNSHIP, VILLAGE, act, bundle
from tests.runtime.test_dispatcher import FakeChannel, dispatching, until

OFFICER, DUTY = f"{VILLAGE}-officer", f"{TOWNSHIP}-duty"


class Engine:
    """A pipeline whose decisions go into a ledger; acts of the system come back into its log."""

    def __init__(self, ledger, level):
        self.ledger = ledger
        self.position = 0
        self.acts = []
        self.pipeline = Pipeline(bundle(policy=Policy().model_dump(mode="json")), CITY)
        content = {"hazard": "landslide", "level": level, "area": VILLAGE}
        self.log(ActRecord(T0, act("issue", content=content).model_dump_json().encode()))

    def log(self, record):
        self.position += 1
        out = self.pipeline.process([record])
        self.ledger.write_decisions(
            CITY, self.position, alerts=out.alerts, notices=out.notices, releases=out.releases, acts=out.acts
        )

    def extend(self, acts):
        for done in acts:
            self.acts.append(done)
            self.log(ActRecord(self.pipeline.now, done.model_dump_json().encode()))


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(str(tmp_path / "state.db")) as opened:
        yield opened


class Phones(FakeChannel):
    """Numbers of some recipients never answer; all else is taken."""

    async def send(self, message):
        self.sent.append(message)
        if message.notice.recipient == OFFICER:
            return Unknown(Reason.NO_ANSWER)
        return Sent((f"m-{message.notice.id}",))


def told(ledger, engine, recipient, channel):
    notices = ledger.notices_of_alert(engine.acts[0].alert)
    return [one for one in notices if (one.recipient, one.channel) == (recipient, channel)]


async def test_a_phone_that_never_answers_is_followed_by_the_next_channel(ledger):
    engine = Engine(ledger, 3)
    phones, webhook = Phones(), FakeChannel("webhook", repeatable=True)
    async with dispatching(ledger, phones, webhook, acts=engine, clock=HandClock(T0 + HOUR)):
        engine.log(Tick(T0 + HOUR))
        await until(lambda: webhook.sent)
    texts = [one.text for one in phones.sent if one.notice.recipient == OFFICER]
    assert texts == [texts[0], RESENT + texts[0]]
    (further,) = told(ledger, engine, OFFICER, "webhook")
    assert (further.state, further.first_due_at) == (S.SENT, from_micros(T0 + HOUR))
    (judged,) = [one for one in ledger.acts() if one.act == "undelivered"]
    assert (judged.outcome, judged.content["next"]) == ("done", {"recipient": OFFICER, "channel": "webhook"})


async def test_at_red_the_desk_above_is_asked_to_pass_it_on(ledger):
    engine = Engine(ledger, 4)
    phones, webhook = Phones(), FakeChannel("webhook", repeatable=True)
    async with dispatching(ledger, phones, webhook, acts=engine, clock=HandClock(T0)):
        await until(lambda: len([one for one in phones.sent if one.notice.recipient == DUTY]) == 2)
    first, second = (one.text for one in phones.sent if one.notice.recipient == DUTY)
    assert second == f"【铁炉坝村责任人未能送达，请转告】{first}"
    assert [one.state for one in told(ledger, engine, DUTY, "sms")] == [S.SENT, S.SENT]


async def test_a_receipt_that_says_failed_is_judged_once(ledger):
    engine = Engine(ledger, 3)
    phones = FakeChannel()
    async with dispatching(ledger, phones, acts=engine, clock=HandClock(T0 + HOUR)) as dispatcher:
        engine.log(Tick(T0 + HOUR))
        await until(lambda: ledger.notice_counts().get(("sms", S.SENT), 0) == 4)
        notice = next(one.notice for one in phones.sent if one.notice.recipient == OFFICER)
        for _ in range(2):
            dispatcher.receive(ChannelReceipt("sms", "failed", notice=notice.id, detail="UNDELIV"))
            await until(lambda: engine.acts)
    assert len({one.id for one in engine.acts}) == 1
    assert (engine.acts[0].content["state"], engine.acts[0].reason) == ("failed", "UNDELIV")
    assert len(told(ledger, engine, OFFICER, "webhook")) == 1
