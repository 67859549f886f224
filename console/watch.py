"""Watch: while a page is open, looks at the ledger once a second and tells all pages what the engine does not.

Events  `clock` (the engine's time), `board` (what is in force, or how notices stand, has changed)

The embedded engine tells of alerts at once; a console beside a ledger that others write learns of them here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from console.board import Board
from console.site import Site
from schemas.times import rfc3339

_EVERY_S = 1.0
log = logging.getLogger("fenghuo.console")


class Watch:
    """One look a second, however many pages are open; none while no page is."""

    def __init__(self, site: Site, board: Board) -> None:
        self._site = site
        self._board = board
        self._pages = 0
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def page(self) -> AsyncIterator[None]:
        """While the block lasts a page is open."""
        self._pages += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="console watch")
        try:
            yield
        finally:
            self._pages -= 1
            if self._pages == 0 and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        seen: tuple[int, int] | None = None
        away = False
        while True:
            try:
                await run_in_threadpool(self._board.refresh)
                away = False
            except SQLAlchemyError as error:
                if not away:  # said once; the health light shows it until it is back
                    log.warning("console.ledger_away reason=%s", error)
                away = True
            revision = (self._board.revision, self._board.told.revision)
            if seen is not None and revision != seen:
                self._site.feed.publish("board", {"revision": self._board.revision})
            seen = revision
            # Last: who has heard the clock is told of every change from now on.
            self._site.feed.publish("clock", {"now": rfc3339(self._site.now_us())})
            await asyncio.sleep(_EVERY_S)
