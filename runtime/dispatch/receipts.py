"""Receipts: what channels and players say later, brought to the notices that they are about.

In      receipts, by notice or by a channel's own name for what it took
Out     rows of the ledger; all that wait in one transaction, because a commit costs more than what it holds
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from alerting import metrics
from alerting.channels.base import ChannelReceipt
from alerting.ledger import Ledger
from runtime.clock import Clock
from runtime.hops import observe_hop
from schemas.notice import Receipt
from schemas.times import from_micros, to_micros

log = logging.getLogger("fenghuo")

_REMEMBERED = 10_000
_AT_ONCE = 500


class ReceiptBook:
    """Records receipts; keeps for a while those that come before the answer which names what they are about.

    To be used in one event loop.

    Parameters
    ----------
    clock
        Dates receipts that bring no time of their own.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._early: dict[tuple[str, str], list[ChannelReceipt]] = {}
        self._named: dict[tuple[str, str], str] = {}
        self._waiting: list[ChannelReceipt] = []
        self._some = asyncio.Event()

    def put(self, receipt: ChannelReceipt) -> None:
        """Let a receipt wait for `run` to record it."""
        if receipt.at_us is None:
            receipt = replace(receipt, at_us=self._clock.now_us())
        self._waiting.append(receipt)
        self._some.set()

    def named(self, channel: str, references: Iterable[str], notice: str) -> None:
        """A channel's names for what it took are in the ledger now; receipts that were too early are so no more."""
        for reference in references:
            name = (channel, reference)
            self._named[name] = notice
            for receipt in self._early.pop(name, ()):
                self.put(replace(receipt, notice=notice))
        _shorten(self._named)

    async def run(self) -> None:
        """Record for ever; what the database would not take waits for the next call."""
        while True:
            await self._some.wait()
            await self.record()

    async def record(self) -> None:
        """Record all that wait."""
        while self._waiting:
            taken = self._waiting[:_AT_ONCE]
            known = await self._known(taken)
            rows = [(_row(receipt), receipt.reference or "") for receipt in known]
            kept = await asyncio.to_thread(self._ledger.add_receipts, rows)
            # Only now: where the database was away they all wait still.
            del self._waiting[: len(taken)]
            for receipt, is_kept in zip(known, kept, strict=True):
                if is_kept:
                    metrics.receipts_total.labels(receipt.channel, receipt.state).inc()
                else:
                    log.warning(
                        "receipt.unknown_notice channel=%s notice=%.60s", receipt.channel, receipt.notice
                    )
            await self._observe([row for row, _ in rows])
        self._some.clear()

    async def _observe(self, receipts: Collection[Receipt]) -> None:
        """Count how long those took that these receipts say arrived."""
        said = {(one.notice, to_micros(one.at)) for one in receipts if one.state != "failed"}
        hops = await asyncio.to_thread(self._ledger.hops_of, [notice for notice, _ in said])
        for notice, one in hops.items():
            if one.dispatched_us is None or one.delivered_us is None:
                continue
            # Delivered by another of its parts, or before: counted then.
            if (notice, one.delivered_us) in said:
                observe_hop("delivered", one.dispatched_us, one.delivered_us)

    async def _known(self, receipts: list[ChannelReceipt]) -> list[ChannelReceipt]:
        """Those whose notice is known; the others are kept as early."""
        nameless = [_name(r) for r in receipts if r.notice is None and r.reference is not None]
        asked = [name for name in nameless if name not in self._named]
        found = await asyncio.to_thread(self._ledger.notices_of_references, asked) if asked else {}
        known = []
        for receipt in receipts:
            name = _name(receipt)
            # `named` may have been called while the ledger was asked: what it was told is looked at last.
            notice = receipt.notice or found.get(name) or self._named.get(name)
            if notice is not None:
                known.append(replace(receipt, notice=notice))
            elif receipt.reference is not None:
                self._early.setdefault(name, []).append(receipt)
        _shorten(self._early)
        return known


def _name(receipt: ChannelReceipt) -> tuple[str, str]:
    return receipt.channel, receipt.reference or ""


def _shorten(kept: dict[tuple[str, str], Any]) -> None:
    while len(kept) > _REMEMBERED:
        kept.pop(next(iter(kept)))


def _row(receipt: ChannelReceipt) -> Receipt:
    if receipt.notice is None or receipt.at_us is None:
        raise ValueError(f"a receipt without its notice or its time: {receipt}")
    return Receipt(
        notice=receipt.notice,
        state=receipt.state,
        at=from_micros(receipt.at_us),
        device=receipt.device,
        detail=receipt.detail,
    )
