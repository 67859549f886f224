"""What the ledger owes the log is paid: acts of the system are appended, and only then forgotten.

In      acts that the ledger keeps since the state which calls for them was recorded
Out     the same acts in the log, at least once; a repeat counts once

A crash at any place leaves them in the ledger, so the next dispatcher that runs appends them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from alerting.ledger import Ledger
from runtime.clock import Clock
from schemas.act import Act
from schemas.errors import plain

log = logging.getLogger("fenghuo")

AppendActs = Callable[[Sequence[Act]], None]
"""Appends acts of the system to the log; they are durable when it returns. Blocks; raises where it cannot."""

LEASE_S = 60.0
"""Longer than an append takes; then another dispatcher may try, and a repeat counts once."""
_ASK_EVERY_S = 1.0


class OwedActs:
    """Appends what is owed, as long as it runs. To be used in one event loop.

    Parameters
    ----------
    machine
        The machine's clock: while one dispatcher has an act in hand, no other takes it.
    """

    def __init__(self, ledger: Ledger, append: AppendActs, machine: Clock) -> None:
        self._ledger = ledger
        self._append = append
        self._machine = machine
        self._some = asyncio.Event()
        self.fault: str | None = None
        """Why the log did not take them when it was last tried; None where it did."""

    def look(self) -> None:
        """Something may be owed: do not wait for the next second."""
        self._some.set()

    async def run(self) -> None:
        """Pay for ever."""
        while True:
            self._some.clear()
            if not await self.pay():
                try:
                    await asyncio.wait_for(self._some.wait(), _ASK_EVERY_S)
                except TimeoutError:
                    continue

    async def pay(self) -> bool:
        """Append what is owed and nobody else has in hand; whether there may be more."""
        acts = await asyncio.to_thread(
            self._ledger.claim_owed_acts, LEASE_S, machine_us=self._machine.now_us()
        )
        if not acts:
            return False
        try:
            await asyncio.to_thread(self._append, acts)
        except Exception as error:  # noqa: BLE001 - whatever keeps them from the log: the ledger has them still
            if self.fault is None:
                log.error(
                    "acts.not_logged acts=%d reason=%s; they stay in the ledger", len(acts), plain(error)
                )
            self.fault = plain(error)
            # Ours no longer, so that the next look, or another dispatcher, need not wait out the lease.
            await asyncio.to_thread(self._ledger.give_back_owed_acts, [act.id for act in acts])
            return False
        self.fault = None
        for act in acts:
            log.warning("act.logged act=%s alert=%s notice=%s", act.act, act.alert, act.content.get("notice"))
        await asyncio.to_thread(self._ledger.acts_logged, [act.id for act in acts])
        return True
