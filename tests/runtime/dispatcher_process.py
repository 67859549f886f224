"""A dispatcher as a process of its own, to be killed or stopped: `… LEDGER SMPP_PORT WEBHOOK_URL [NAME [LEASE_S]]`."""

from __future__ import annotations

import asyncio
import sys
from random import Random

from alerting.channels.base import ChannelReceipt
from alerting.channels.smpp import SmppSettings, SmsChannel
from alerting.channels.webhook import WebhookChannel, WebhookSettings
from alerting.ledger import Ledger
from runtime.clock import HandClock, MachineClock
from runtime.dispatcher import Dispatcher, DispatchPolicy
from tests.alerting.ledger.making import NOW


async def main(path: str, port: int, url: str, name: str = "w", lease_s: str = "120") -> None:
    made: list[Dispatcher] = []

    def receive(receipt: ChannelReceipt) -> None:
        made[0].receive(receipt)

    sms = SmsChannel(SmppSettings(host="127.0.0.1", port=port, system_id="fenghuo"), "pw", receive)
    webhook = WebhookChannel(WebhookSettings(), "key")
    made.append(
        Dispatcher(
            Ledger.open(path),
            {"sms": sms, "webhook": webhook},
            lambda recipient, channel: url if channel == "webhook" else f"example-{recipient}",
            HandClock(NOW),
            MachineClock(),
            worker=name,
            random=Random(1),
            policy=DispatchPolicy(at_once=8, lease_s=float(lease_s)),
        )
    )
    await made[0].run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
