"""Webhook: every status, a signature that a receiver can check, and addresses that are none."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx
import pytest

from alerting.channels.base import Reason, Refused, Retry, Sent, Unknown
from alerting.channels.webhook import WebhookChannel, WebhookSettings, outcome_of
from runtime.receivers.webhook import WebhookReceiver
from tests.alerting.channels.rigs import SECRET, a_message

_RETRY = {408: Reason.BUSY, 425: Reason.BUSY, 429: Reason.THROTTLED}
_REFUSED = {
    **dict.fromkeys((401, 403, 407), Reason.LOGIN),
    **dict.fromkeys((404, 405, 410), Reason.ADDRESS),
    **dict.fromkeys((400, 413, 415, 422), Reason.CONTENT),
}


@pytest.mark.parametrize("status", range(100, 600))
async def test_every_status(status):
    """What stands for each code is written here once more, apart from the code."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"Location": "https://elsewhere.invalid/"})

    channel = WebhookChannel(WebhookSettings(), SECRET, httpx.MockTransport(answer))
    outcome = await channel.send(a_message(address="https://dispatch.invalid/"))
    await channel.close()
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        assert outcome == Sent(delivered=True)
    elif status in _RETRY or status >= 500:
        assert outcome == Retry(_RETRY.get(status, Reason.BUSY), detail)
    else:
        assert outcome == Refused(_REFUSED.get(status, Reason.REJECTED), detail)


@pytest.mark.parametrize(
    ("header", "after_s"),
    [
        ("8", 8.0),
        (" 0 ", 0.0),
        ("999999", 3600.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("1.5", None),
    ],
)
def test_the_other_side_says_when(header, after_s):
    assert outcome_of(429, header) == Retry(Reason.THROTTLED, "HTTP 429", after_s)
    assert outcome_of(503, header) == Retry(Reason.BUSY, "HTTP 503", after_s)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("x"), Retry(Reason.UNREACHABLE, "ConnectError")),
        (httpx.ConnectTimeout("x"), Retry(Reason.UNREACHABLE, "ConnectTimeout")),
        (httpx.PoolTimeout("x"), Retry(Reason.UNREACHABLE, "PoolTimeout")),
        (httpx.ReadTimeout("x"), Unknown(Reason.NO_ANSWER, "ReadTimeout")),
        (httpx.WriteTimeout("x"), Unknown(Reason.NO_ANSWER, "WriteTimeout")),
        (httpx.ReadError("x"), Unknown(Reason.NO_ANSWER, "ReadError")),
        (httpx.RemoteProtocolError("x"), Unknown(Reason.NO_ANSWER, "RemoteProtocolError")),
    ],
)
async def test_what_the_network_does(error, expected):
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    channel = WebhookChannel(WebhookSettings(), SECRET, httpx.MockTransport(fail))
    assert await channel.send(a_message(address=f"https://dispatch.invalid/?token={SECRET}")) == expected
    await channel.close()


@pytest.mark.parametrize(
    "address", ["", "dispatch", "ftp://a.invalid/", "http://", "http://[", "file:///etc/passwd"]
)
async def test_what_is_no_address(address):
    channel = WebhookChannel(WebhookSettings(), SECRET)
    outcome = await channel.send(a_message(address=address))
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.ADDRESS
    await channel.close()


async def test_a_receiver_can_check_who_sent_it_and_when():
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204)

    channel = WebhookChannel(WebhookSettings(), SECRET, httpx.MockTransport(answer))
    message = a_message(address="https://dispatch.invalid/")
    await channel.send(message)
    await channel.close()
    (request,) = requests
    signed = request.headers["Fenghuo-Timestamp"].encode() + b"." + request.content
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert request.headers["Fenghuo-Signature"] == f"v1={digest}"
    assert request.headers["Fenghuo-Timestamp"] == str(message.sent_us // 1_000_000)
    assert request.headers["Idempotency-Key"] == message.notice.id
    body = json.loads(request.content)
    assert body["alerts"] == [{"id": "a-1", "version": 1}]
    assert (body["text"], body["level"], body["status"]) == (message.text, 3, "exercise")


async def test_a_forged_request_is_no_notice():
    receiver = WebhookReceiver("another key")
    receiver.start()
    channel = WebhookChannel(WebhookSettings(), SECRET)
    assert await channel.send(a_message(address=receiver.url)) == Refused(Reason.LOGIN, "HTTP 403")
    assert (receiver.notices, receiver.forged) == ([], 1)
    await channel.close()
    receiver.stop()


async def test_exercises_go_to_their_own_receiver_and_real_warnings_do_not():
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(204)

    settings = WebhookSettings(exercise_receiver="http://127.0.0.1:9/")
    channel = WebhookChannel(settings, SECRET, httpx.MockTransport(answer))
    for status in ("exercise", "test", "actual"):
        await channel.send(a_message(address="https://dispatch.invalid/", status=status))
    example = await channel.send(a_message(address="http://dispatch.example/", status="actual"))
    await channel.close()
    assert hosts == ["127.0.0.1", "127.0.0.1", "dispatch.invalid"]
    assert isinstance(example, Refused)
    assert example.reason is Reason.EXAMPLE
