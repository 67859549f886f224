"""What every channel keeps to; `RIGS` has them, each with its real receiver."""

from __future__ import annotations

import pytest

from alerting.channels.base import Reason, Refused, Retry, Sent, Unknown
from tests.alerting.channels.rigs import RIGS, a_message


@pytest.fixture(params=sorted(RIGS))
async def rig(request):
    async with RIGS[request.param]() as made:
        yield made


async def test_what_is_said_arrives(rig):
    message = a_message(address=rig.address)
    assert isinstance(await rig.channel.send(message), Sent)
    await rig.until(lambda: rig.arrived() == [message.text])


async def test_a_probe_reaches_nobody(rig):
    assert isinstance(await rig.channel.probe(), Sent)
    await rig.channel.send(a_message(address=rig.address))
    await rig.until(lambda: len(rig.arrived()) == 1)


async def test_a_busy_other_side_means_again(rig):
    if rig.busy is None:
        return  # its receiver has no such answer
    rig.busy()
    outcome = await rig.channel.send(a_message(address=rig.address))
    assert isinstance(outcome, Retry)
    assert outcome.reason in {Reason.BUSY, Reason.THROTTLED}
    assert isinstance(await rig.channel.send(a_message(address=rig.address)), Sent)
    await rig.until(lambda: len(rig.arrived()) == 1)


async def test_a_refusal_means_never(rig):
    outcome = await rig.channel.send(a_message(address=rig.refuse()))
    assert isinstance(outcome, Refused)
    assert rig.arrived() == []


async def test_no_answer_means_that_nobody_knows(rig):
    await rig.channel.send(a_message(("a-0", 1), address=rig.address))
    rig.silent()
    outcome = await rig.channel.send(a_message(address=rig.address))
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NO_ANSWER


async def test_a_repeat_is_seen_once_where_the_channel_says_so(rig):
    message = a_message(address=rig.address)
    for _ in range(2):
        assert isinstance(await rig.channel.send(message), Sent)
    after = a_message(("a-2", 1), address=rig.address, text="最后一条")
    await rig.channel.send(after)
    await rig.until(lambda: after.text in rig.arrived())
    assert rig.arrived().count(message.text) == (1 if rig.channel.repeatable else 2)


async def test_it_leaks_no_secret(rig, caplog):
    told = [repr(rig.channel), str(await rig.channel.probe())]
    told.append(str(await rig.channel.send(a_message(address=rig.refuse()))))
    if rig.busy is not None:
        rig.busy()
        told.append(str(await rig.channel.send(a_message(address=rig.address))))
    rig.silent()
    told.append(str(await rig.channel.send(a_message(address=rig.address))))
    rig.heal()
    told.append(caplog.text)
    for secret in rig.secrets:
        assert not [text for text in told if secret in text]
