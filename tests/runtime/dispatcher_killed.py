"""A dispatcher that is killed when it is about to append what is owed: `python dispatcher_killed.py LEDGER`.

Its channel never knows what became of a message.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from random import Random

from alerting.channels.base import Message, Outcome, Reason, Sent, Unknown
from alerting.ledger import Ledger
from runtime.clock import HandClock, MachineClock
from runtime.dispatch.retries import RetryPolicy
from runtime.dispatcher import Dispatcher, DispatchPolicy
from tests.alerting.ledger.making import NOW


class Silent:
    """A channel that takes everything and answers nothing."""

    name = "sms"
    repeatable = False

    async def send(self, message: Message) -> Outcome:
        return Unknown(Reason.NO_ANSWER)

    async def probe(self) -> Outcome:
        return Sent()

    async def close(self) -> None:
        return None


async def main(path: str) -> None:
    await Dispatcher(
        Ledger.open(path),
        {"sms": Silent()},
        lambda recipient, _: f"example-{recipient}",
        HandClock(NOW),
        MachineClock(),
        worker="w",
        random=Random(1),
        policy=DispatchPolicy(retries=RetryPolicy(first_pause_s=0.01)),
        append_acts=lambda _: os.kill(os.getpid(), signal.SIGKILL),
    ).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
