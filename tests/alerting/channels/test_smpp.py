"""SMS: parts, receipts, every answer of a message centre, and two message centres that are not of one house."""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.channels.base import ChannelReceipt, Reason, Refused, Retry, Sent, Unknown
from alerting.channels.smpp import SmppSettings, SmsChannel, outcome_of, parts
from runtime.receivers.message_centre import MessageCentre
from tests.alerting.channels.rigs import ANSWER_S, SECRET, a_message
from tests.servers.base import ServerMissing, refuse_or_skip, spare_port

SIMULATOR = Path(__file__).parent / "simulator"
LONG = "南江县气象台发布山洪灾害红色预警：过去3小时光雾山镇雨量已达112.5毫米，" * 4
PASSWORD = SECRET[:8]


def channel_to(port, receipts, **more):
    settings = SmppSettings(host="127.0.0.1", port=port, system_id="fenghuo", answer_s=ANSWER_S, **more)
    return SmsChannel(settings, PASSWORD, receipts.append)


@pytest.fixture
async def centre():
    made = MessageCentre(spare_port())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def receipts():
    return []


@pytest.fixture
async def channel(centre, receipts):
    made = channel_to(centre.port, receipts)
    yield made
    await made.close()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400), st.integers(0, 255))
def test_parts_fit_and_join_to_the_text(text, number):
    pieces = parts(text, number)
    assert len(pieces) == 1 or len(text.encode("utf-16-be")) > 140
    joined = ""
    for index, (esm_class, body) in enumerate(pieces, start=1):
        assert len(body) <= 140
        if len(pieces) == 1:
            assert esm_class == 0
            joined += body.decode("utf-16-be")
        else:
            assert (esm_class, body[:6]) == (0x40, bytes((5, 0, 3, number, len(pieces), index)))
            joined += body[6:].decode("utf-16-be")  # a torn surrogate pair would not decode
    assert joined == text


@pytest.mark.parametrize("status", range(0x100))
def test_every_command_status(status):
    outcome = outcome_of(status, "m-1")
    if status == 0:
        assert outcome == Sent(("m-1",))
    elif status in {0x01, 0x0A, 0x0B, 0x50, 0x51, 0x65, 0x66}:
        assert isinstance(outcome, Refused)
    else:
        assert isinstance(outcome, Retry)
    if status in {0x14, 0x58}:
        assert isinstance(outcome, Retry)
        assert outcome.reason is Reason.THROTTLED


async def test_a_long_text_arrives_whole_and_each_part_is_confirmed(centre, channel, receipts):
    outcome = await channel.send(a_message(text=LONG))
    assert isinstance(outcome, Sent)
    (sms,) = centre.inbox
    assert (sms.text, sms.parts) == (LONG, len(outcome.references))
    for _ in range(200):
        if len(receipts) == sms.parts:
            break
        await asyncio.sleep(0.01)
    assert receipts == [ChannelReceipt("sms", "delivered", reference=one) for one in outcome.references]


async def test_a_part_that_is_throttled_is_tried_again_within_the_message(centre, channel):
    await channel.send(a_message())
    began = asyncio.get_running_loop().time()

    async def throttle_second():
        while len(centre._pieces) == 0:
            await asyncio.sleep(0)
        centre.faults.throttle = 1

    outcome, _ = await asyncio.gather(channel.send(a_message(text=LONG)), throttle_second())
    assert isinstance(outcome, Sent)
    assert centre.inbox[-1].text == LONG
    assert asyncio.get_running_loop().time() - began < 5


async def test_no_answer_thrice_makes_a_new_session(centre, channel):
    centre.faults.swallow = 3
    for _ in range(3):
        assert isinstance(await channel.send(a_message()), Unknown)
    assert isinstance(await channel.send(a_message()), Sent)
    assert len(centre.inbox) == 4  # a phone had all four: that is why unknown is not failed


async def test_an_example_address_leaves_for_loopback_only():
    channel = SmsChannel(SmppSettings(host="smsc.operator.invalid", system_id="x"), PASSWORD, lambda _: None)
    outcome = await channel.send(a_message(address="example-5119-1"))
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.EXAMPLE


async def test_nobody_there(receipts):
    channel = channel_to(spare_port(), receipts)
    assert await channel.send(a_message()) == Retry(Reason.UNREACHABLE, "no connection")
    assert await channel.probe() == Retry(Reason.UNREACHABLE, "no connection")
    await channel.close()


async def test_a_login_that_is_refused(receipts):
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(16)
        length, command, _, sequence = struct.unpack(">IIII", header)
        await reader.readexactly(length - 16)
        writer.write(struct.pack(">IIII", 17, command | 0x80000000, 0x0E, sequence) + b"\0")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    channel = channel_to(server.sockets[0].getsockname()[1], receipts)
    outcome = await channel.send(a_message())
    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.LOGIN
    assert PASSWORD not in str(outcome)
    await channel.close()
    server.close()


async def test_a_message_centre_that_dies_and_comes_back(receipts):
    """The session is lost in the middle of a call: unknown; then unreachable; then well again."""
    async with node_centre() as (port, say, heard, process):
        channel = channel_to(port, receipts)
        assert isinstance(await channel.send(a_message()), Sent)
        await say({"swallow": 1})
        under_way = asyncio.create_task(channel.send(a_message()))
        while not [line for line in heard if line.get("to")][1:]:
            await asyncio.sleep(0.01)
        process.kill()
        assert isinstance(await under_way, Unknown)
        outcome = await channel.send(a_message())
        assert isinstance(outcome, Retry | Unknown)
    async with node_centre(port):
        for _ in range(20):
            outcome = await channel.send(a_message())
            if isinstance(outcome, Sent):
                break
            await asyncio.sleep(0.1)
        assert isinstance(outcome, Sent)
        await channel.close()


async def test_another_message_centre_understands_us(receipts):
    async with node_centre() as (port, say, heard, _):
        await say({"password": "other"})
        refused = channel_to(port, receipts)
        outcome = await refused.send(a_message())
        assert isinstance(outcome, Retry)
        assert outcome.reason is Reason.LOGIN
        await refused.close()

        await say({"password": PASSWORD})
        channel = channel_to(port, receipts)
        outcome = await channel.send(a_message(text=LONG))
        assert isinstance(outcome, Sent)
        got = [line for line in heard if "to" in line]
        assert "".join(line["text"] for line in got) == LONG
        assert {line["coding"] for line in got} == {8}
        total = len(got)
        assert [line["part"][-2:] for line in got] == [[total, index] for index in range(1, total + 1)]
        await say({"throttle": 1})
        assert await channel.send(a_message()) == Retry(Reason.THROTTLED, "throttled (0x58)")
        await say({"swallow": 1})
        assert isinstance(await channel.send(a_message()), Unknown)
        for _ in range(200):
            if len(receipts) >= total:
                break
            await asyncio.sleep(0.01)
        assert {receipt.reference for receipt in receipts} == set(outcome.references)
        await channel.close()


@asynccontextmanager
async def node_centre(port: int | None = None):
    """A message centre by npm's smpp: a second opinion on what we send."""
    modules = _simulator_modules()
    port = port or spare_port()
    process = subprocess.Popen(
        ["node", str(SIMULATOR / "centre.js"), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"NODE_PATH": str(modules), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    heard: list[dict] = []
    reading = asyncio.create_task(_read(process, heard))

    async def say(command: dict) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(command).encode() + b"\n")
        process.stdin.flush()
        while {"done": command} not in heard:
            await asyncio.sleep(0.01)

    while {"listening": True} not in heard:
        assert process.poll() is None, "the simulator did not start"
        await asyncio.sleep(0.01)
    try:
        yield port, say, heard, process
    finally:
        process.kill()
        process.wait()
        await reading
        process.stdin.close()
        process.stdout.close()


async def _read(process, heard):
    while line := await asyncio.to_thread(process.stdout.readline):
        heard.append(json.loads(line))


def _simulator_modules() -> Path:
    modules = Path(__file__).parents[3] / ".cache" / "smpp-simulator" / "node_modules"
    if shutil.which("node") is None or not (modules / "smpp").exists():
        refuse_or_skip(ServerMissing("node with npm's smpp is not installed"))
    return modules
