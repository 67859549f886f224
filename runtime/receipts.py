"""Receipts: what channels and players say later, brought to the notices that they are about.

In      receipts, by notice or by a channel's own name for what it took
Out     rows of the ledger
"""

from __future__ import annotations

import asyncio
import logging

from alerting import metrics
from alerting.channels.base import ChannelReceipt
from alerting.ledger import Ledger
from runtime.clock import Clock
from schemas.notice import Receipt
from schemas.times import from_micros

log = logging.getLogger("fenghuo")

_EARLY = 10_000


class ReceiptBook:
    """Records receipts; keeps for a while those that come before the answer which names what they are about.

    Parameters
    ----------
    clock
        Dates receipts that bring no time of their own.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._early: dict[tuple[str, str], ChannelReceipt] = {}

    async def take(self, receipt: ChannelReceipt) -> None:
        """Record a receipt, or keep it until its name is known."""
        notice = receipt.notice
        if notice is None and receipt.reference is not None:
            notice = await asyncio.to_thread(
                self._ledger.notice_of_reference, receipt.channel, receipt.reference
            )
            if notice is None:
                self._early[receipt.channel, receipt.reference] = receipt
                while len(self._early) > _EARLY:
                    self._early.pop(next(iter(self._early)))
        if notice is None:
            return
        at_us = self._clock.now_us() if receipt.at_us is None else receipt.at_us
        kept = Receipt(
            notice=notice,
            state=receipt.state,
            at=from_micros(at_us),
            device=receipt.device,
            detail=receipt.detail,
        )
        if await asyncio.to_thread(self._ledger.add_receipt, kept, receipt.reference or ""):
            metrics.receipts_total.labels(receipt.channel, receipt.state).inc()
        else:
            log.warning("receipt.unknown_notice channel=%s notice=%.60s", receipt.channel, notice)

    async def named(self, channel: str, reference: str) -> None:
        """A channel's name for what it took is in the ledger now: record the receipt that was too early, if any."""
        early = self._early.pop((channel, reference), None)
        if early is not None:
            await self.take(early)
