"""The dispatcher on a real ledger: order in a storm, what nobody knows, crashes, receipts, and real receivers."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest
from sqlalchemy.exc import OperationalError

from alerting.channels.base import ChannelReceipt, Reason, Refused, Retry, Sent, Unknown
from alerting.channels.broadcast import BroadcastChannel
from alerting.channels.mqtt import MqttConnection
from alerting.channels.smpp import SmppSettings, SmsChannel
from alerting.channels.webhook import WebhookChannel, WebhookSettings
from alerting.ledger import Ledger, Settlement
from runtime.clock import HandClock, MachineClock
from runtime.dispatch.receipts import ReceiptBook
from runtime.dispatch.retries import RetryPolicy
from runtime.dispatcher import RESENT, Dispatcher, DispatchPolicy
from runtime.receivers.loudspeaker import Loudspeakers
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from schemas.notice import NoticeState as S
from schemas.times import HOUR, from_micros
from tests.alerting.ledger.making import AREA, NOW, a_notice, an_alert
from tests.servers.base import spare_port

QUICK = RetryPolicy(first_pause_s=0.01, longest_pause_s=0.05, longest_urgent_pause_s=0.02, attempts=4)


@dataclass
class FakeChannel:
    """Answers from a list, then `Sent`; `gate` makes it slow."""

    name: str = "sms"
    repeatable: bool = False
    answers: list = field(default_factory=list)
    sent: list = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    gate: asyncio.Event | None = None

    async def send(self, message):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.sent.append(message)
        if self.gate is not None:
            await self.gate.wait()
        else:
            await asyncio.sleep(0)
        self.at_once -= 1
        answer = self.answers.pop(0) if self.answers else Sent((f"m-{len(self.sent)}",))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def probe(self):
        return Sent()

    async def close(self):
        pass


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(str(tmp_path / "state.db")) as opened:
        yield opened


@asynccontextmanager
async def dispatching(
    ledger, *channels, at_once=16, acts=None, address_of=None, lease_s=60.0, clock=None, **more
):
    dispatcher = Dispatcher(
        ledger,
        {channel.name: channel for channel in channels},
        address_of or (lambda recipient, _: f"example-{recipient}"),
        clock or HandClock(NOW),
        MachineClock(),
        worker="w",
        random=Random(1),
        policy=DispatchPolicy(at_once=at_once, lease_s=lease_s, retries=QUICK),
        append_acts=None if acts is None else acts.extend,
        **more,
    )
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    yield dispatcher
    dispatcher.stop()
    await asyncio.wait_for(running, 20)


async def until(what):
    for _ in range(800):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("what should have happened did not, within 8 s")


def write(ledger, *notices):
    ledger.write_decisions(AREA, 1, notices=notices)


def state(ledger, notice):
    return ledger.notice(notice.id).state


async def test_a_storm_sends_red_before_orange_before_yellow_before_blue(ledger):
    levels = [1, 2, 3, 4] * 15
    write(
        ledger, *[a_notice((f"a-{n}", 1), recipient=f"p-{n}", level=level) for n, level in enumerate(levels)]
    )
    channel = FakeChannel()
    async with dispatching(ledger, channel, at_once=4) as dispatcher:
        dispatcher.wake()
        await until(lambda: len(channel.sent) == len(levels))
    assert [message.notice.level for message in channel.sent] == sorted(levels, reverse=True)
    assert channel.most_at_once <= 4
    assert ledger.notice_counts() == {("sms", S.SENT): len(levels)}


async def test_one_person_never_sees_an_older_version_after_a_newer(ledger):
    channel = FakeChannel(answers=[Retry(Reason.BUSY)] * 3)
    write(ledger, a_notice(("a-1", 1), ("a-2", 1), level=1))
    async with dispatching(ledger, channel) as dispatcher:
        await until(lambda: channel.sent)
        write(ledger, a_notice(("a-1", 2), level=4))
        dispatcher.wake()
        await until(lambda: state(ledger, a_notice(("a-1", 2))) is S.SENT)
    versions = [one.version for message in channel.sent for one in message.notice.alerts if one.id == "a-1"]
    assert versions == sorted(versions)


@pytest.mark.parametrize("level", [3, 4])
async def test_an_unknown_sms_goes_again_once_marked_and_then_enters_the_log(ledger, level):
    acts: list = []
    channel = FakeChannel(answers=[Unknown(Reason.NO_ANSWER), Unknown(Reason.NO_ANSWER)])
    notice = a_notice(level=level)
    write(ledger, notice)
    async with dispatching(ledger, channel, acts=acts):
        await until(lambda: acts)
        await asyncio.sleep(0.1)
    assert [message.text for message in channel.sent] == [notice.text, RESENT + notice.text]
    assert state(ledger, notice) is S.UNKNOWN
    (act,) = acts
    assert (act.act, act.by, act.alert, act.version) == ("undelivered", "system", "a-1", 1)
    assert act.content == {
        "notice": notice.id,
        "recipient": "p-1",
        "channel": "sms",
        "state": "unknown",
        "alerts": [{"id": "a-1", "version": 1}],
    }


async def test_an_unknown_yellow_sms_rests(ledger):
    acts: list = []
    channel = FakeChannel(answers=[Unknown(Reason.NO_ANSWER)])
    notice = a_notice(level=2)
    write(ledger, notice)
    async with dispatching(ledger, channel, acts=acts):
        await until(lambda: state(ledger, notice) is S.UNKNOWN)
        await asyncio.sleep(0.1)
    assert (len(channel.sent), acts) == (1, [])


async def test_a_channel_that_recognises_repeats_is_called_until_it_answers(ledger):
    channel = FakeChannel(
        "webhook", repeatable=True, answers=[Unknown(Reason.NO_ANSWER)] * 2 + [Sent(delivered=True)]
    )
    notice = a_notice(channel="webhook", level=1)
    write(ledger, notice)
    async with dispatching(ledger, channel):
        await until(lambda: state(ledger, notice) is S.DELIVERED)
    assert {message.text for message in channel.sent} == {notice.text}
    assert ledger.notice(notice.id).attempts == 3


async def test_what_cannot_be_sent_is_parked_for_an_operator(ledger):
    acts: list = []
    never, refused, nowhere = (a_notice(recipient=f"p-{n}") for n in range(3))
    answers = {"p-0": Retry(Reason.BUSY), "p-1": Refused(Reason.ADDRESS, "0x0b")}

    class Stubborn(FakeChannel):
        async def send(self, message):
            self.sent.append(message)
            return answers[message.notice.recipient]

    channel = Stubborn()
    write(ledger, never, refused, nowhere)
    async with dispatching(
        ledger, channel, acts=acts, address_of=lambda one, _: None if one == "p-2" else "example"
    ):
        await until(lambda: len(ledger.notices_in(S.PARKED)) == 3 and len({act.id for act in acts}) == 3)
    parked = {notice.recipient: notice for notice in ledger.notices_in(S.PARKED)}
    assert parked["p-0"].attempts == QUICK.attempts
    assert (parked["p-1"].attempts, parked["p-1"].error) == (1, "address: 0x0b")
    assert parked["p-2"].error == "address: the configuration has none"


async def test_a_fault_of_one_call_is_an_outcome_nobody_knows(ledger, caplog):
    channel = FakeChannel(answers=[KeyError("a fault of ours")])
    write(ledger, a_notice(recipient="p-1", level=2), a_notice(recipient="p-2", level=1))
    async with dispatching(ledger, channel, at_once=1):
        await until(lambda: len(channel.sent) == 2)
    assert state(ledger, a_notice(recipient="p-1")) is S.UNKNOWN
    assert state(ledger, a_notice(recipient="p-2")) is S.SENT
    assert "a fault of ours" in caplog.text


async def test_a_slow_channel_does_not_hold_up_another(ledger):
    gate = asyncio.Event()
    slow, quick = FakeChannel("sms", gate=gate), FakeChannel("webhook")
    numbers = range(8)
    write(ledger, *[a_notice((f"a-{n}", 1), recipient=f"p-{n}") for n in numbers])
    write(ledger, *[a_notice((f"a-{n}", 1), recipient=f"p-{n}", channel="webhook") for n in numbers])
    async with dispatching(ledger, slow, quick, at_once=2):
        await until(lambda: len(quick.sent) == 8)
        assert len(slow.sent) == 2
        assert ledger.notice_counts()["sms", S.DUE] == 6
        gate.set()
        await until(lambda: len(slow.sent) == 8)


async def test_a_call_that_outlives_its_lease_is_given_up(ledger):
    channel = FakeChannel(gate=asyncio.Event())
    write(ledger, a_notice(level=2))
    async with dispatching(ledger, channel, lease_s=0.2):
        await until(lambda: state(ledger, a_notice()) is S.UNKNOWN)
    assert ledger.notice(a_notice().id).error == "no_answer: the channel took too long"


async def test_who_was_asleep_until_its_claim_was_over_sends_nothing(ledger, monkeypatch):
    channel = FakeChannel()
    real = ledger.claim_due
    slept: list[bool] = []

    def asleep(*words, **more):
        claims = real(*words, **more)
        if claims and not slept:
            slept.append(True)
            time.sleep(0.6)
        return claims

    monkeypatch.setattr(ledger, "claim_due", asleep)
    write(ledger, a_notice(level=2))
    async with dispatching(ledger, channel, lease_s=0.5):
        await until(lambda: state(ledger, a_notice()) is S.SENT)
    errors = [change.state for change in ledger.state_changes()]
    assert errors == [S.DUE, S.SENDING, S.DUE, S.SENDING, S.SENT]
    assert [message.resend for message in channel.sent] == [False]


@pytest.mark.parametrize(("level", "texts"), [(4, [RESENT + a_notice().text]), (2, [])])
async def test_what_a_kill_left_in_sending_is_unknown_and_treated_so(ledger, level, texts):
    notice = a_notice(level=level)
    write(ledger, notice)
    ledger.claim_due(NOW, 1, "w", 60, machine_us=MachineClock().now_us())  # and the process is gone
    channel = FakeChannel()
    async with dispatching(ledger, channel):
        await until(lambda: len(channel.sent) == len(texts) and state(ledger, notice) in {S.SENT, S.UNKNOWN})
    assert [message.text for message in channel.sent] == texts
    assert S.UNKNOWN in [change.state for change in ledger.state_changes()]


async def test_a_kill_in_a_repeatable_channel_goes_again_unmarked(ledger):
    notice = a_notice(channel="webhook")
    write(ledger, notice)
    ledger.claim_due(NOW, 1, "w", 60, machine_us=MachineClock().now_us())
    channel = FakeChannel("webhook", repeatable=True, answers=[Sent(delivered=True)])
    async with dispatching(ledger, channel):
        await until(lambda: state(ledger, notice) is S.DELIVERED)
    assert [message.text for message in channel.sent] == [notice.text]


async def test_a_receipt_may_overtake_the_answer_that_names_it(ledger):
    gate = asyncio.Event()
    channel = FakeChannel(gate=gate, answers=[Sent(("m-1", "m-2"))])
    write(ledger, a_notice())
    async with dispatching(ledger, channel) as dispatcher:
        await until(lambda: channel.sent)
        for reference in ("m-1", "m-2"):
            dispatcher.receive(ChannelReceipt("sms", "delivered", reference=reference))
        await asyncio.sleep(0.05)
        gate.set()
        await until(lambda: state(ledger, a_notice()) is S.DELIVERED)
    told = ledger.notice(a_notice().id)
    assert (told.sent_at, told.delivered_at) == (from_micros(NOW), from_micros(NOW))


async def test_what_has_run_out_by_the_houses_clock_is_not_sent(ledger):
    channel = FakeChannel()
    notice = a_notice(expires_at=from_micros(NOW + HOUR))
    write(ledger, notice)
    async with dispatching(ledger, channel, clock=HandClock(NOW + 2 * HOUR)):
        await until(lambda: state(ledger, notice) is S.EXPIRED)
    assert channel.sent == []


async def test_three_real_channels_tell_people(ledger, mosquitto):
    """A message centre, a loudspeaker and a webhook receiver, each in its own protocol, on loopback."""
    centre = MessageCentre(spare_port())
    await centre.start()
    receiver = WebhookReceiver("key")
    receiver.start()
    horn = Loudspeakers(mosquitto.host, mosquitto.port, lambda: NOW, address="horn-9")
    horn.start()
    connection = MqttConnection(mosquitto.host, mosquitto.port, "dispatcher-test")
    connection.start()
    connection.connected.wait(5)

    dispatchers: list[Dispatcher] = []

    def receive(receipt):
        dispatchers[0].receive(receipt)

    addresses = {"sms": "example-1", "broadcast": "horn-9", "webhook": receiver.url}
    channels = (
        SmsChannel(SmppSettings(host="127.0.0.1", port=centre.port, system_id="fenghuo"), "pw", receive),
        BroadcastChannel(connection, receive),
        WebhookChannel(WebhookSettings(), "key"),
    )
    text = "南江县气象台发布山洪灾害红色预警：过去3小时光雾山镇雨量已达112.5毫米。" * 3
    notices = [a_notice(channel=name, recipient=f"p-{name}", text=text) for name in addresses]
    ledger.write_decisions(AREA, 1, alerts=[an_alert()], notices=notices)
    async with dispatching(ledger, *channels, address_of=lambda _, name: addresses[name]) as dispatcher:
        dispatchers.append(dispatcher)
        dispatcher.wake()
        await until(lambda: {state(ledger, one) for one in notices} == {S.DELIVERED})
    assert [sms.text for sms in centre.inbox] == [text]
    assert [one.text for one in horn.played] == [text]
    assert [one["text"] for one in receiver.notices] == [text]
    horn.stop()
    connection.stop()
    receiver.stop()
    await centre.stop()


async def test_a_database_that_is_away_for_a_while_stops_nothing_for_good(ledger, monkeypatch, caplog):
    channel = FakeChannel()
    real, failures = (
        ledger.claim_due,
        [OperationalError("claim", {}, Exception("database or disk is full"))] * 2,
    )

    def claim_due(*words, **more):
        if failures:
            raise failures.pop()
        return real(*words, **more)

    monkeypatch.setattr(ledger, "claim_due", claim_due)
    write(ledger, a_notice())
    async with dispatching(ledger, channel) as dispatcher:
        await until(lambda: "disk is full" in str(dispatcher.faults()))
        await until(lambda: state(ledger, a_notice()) is S.SENT)
        assert dispatcher.faults() == []
    assert "disk is full" in caplog.text


async def test_what_was_sent_while_the_database_was_away_is_recorded_when_it_is_back(ledger, monkeypatch):
    channel = FakeChannel()
    real, failures = ledger.settle, [OperationalError("settle", {}, Exception("server closed"))] * 2

    def settle(settlements):
        if failures:
            raise failures.pop()
        return real(settlements)

    monkeypatch.setattr(ledger, "settle", settle)
    write(ledger, a_notice(level=4))
    async with dispatching(ledger, channel):
        await until(lambda: state(ledger, a_notice()) is S.SENT)
    assert len(channel.sent) == 1
    assert [change.state for change in ledger.state_changes()] == [S.DUE, S.SENDING, S.SENT]


async def test_a_stop_in_the_middle_of_a_claim_leaves_nothing_half_done(ledger, monkeypatch):
    channel = FakeChannel()
    real = ledger.claim_due
    claimed = threading.Event()

    def slow_claim(*words, **more):
        claims = real(*words, **more)
        if claims:
            claimed.set()
            time.sleep(0.2)
        return claims

    monkeypatch.setattr(ledger, "claim_due", slow_claim)
    write(ledger, a_notice())
    async with dispatching(ledger, channel):
        await until(claimed.is_set)
    assert state(ledger, a_notice()) is S.SENT


async def test_a_receipt_that_comes_while_its_name_is_being_written_is_not_lost(ledger, monkeypatch):
    """The ledger is asked before the name is in it, and its answer comes after."""
    write(ledger, a_notice())
    (claim,) = ledger.claim_due(NOW, 1, "w", 60, machine_us=0)
    book = ReceiptBook(ledger, HandClock(NOW))
    asked, written = threading.Event(), threading.Event()

    def ask_early(_names):
        asked.set()
        written.wait(5)
        return {}

    monkeypatch.setattr(ledger, "notices_of_references", ask_early)
    book.put(ChannelReceipt("sms", "delivered", reference="m-1"))
    recording = asyncio.create_task(book.record())
    await until(asked.is_set)
    ledger.settle([Settlement(claim, S.SENT, NOW, references=("m-1",))])
    book.named("sms", ("m-1",), a_notice().id)
    written.set()
    await recording
    assert state(ledger, a_notice()) is S.DELIVERED
