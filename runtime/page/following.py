"""Following a ledger that others write: what pipelines elsewhere decide, told to the console as it appears.

In      the ledger, asked once a second for what lies behind the last place seen of each association area
Out     the feed's `alert`, `release` and `act`, in the order of the log
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from alerting.ledger import Ledger
from console.feed import Feed
from runtime import metrics
from schemas.errors import plain

EVERY_S = 1.0


class LedgerFollower:
    """Tells the feed of decisions that are new since it started.

    Parameters
    ----------
    associations
        Codes of the association areas to follow.
    """

    def __init__(self, ledger: Ledger, feed: Feed, associations: Sequence[str]) -> None:
        self._ledger = ledger
        self._feed = feed
        self._seen = {code: ledger.decided_position(code) or 0 for code in associations}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger follower", daemon=True)
        self.fault: str | None = None
        """Why the ledger cannot be read just now; None while it can."""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                for code in self._seen:
                    self._tell(code)
                self.fault = None
            except SQLAlchemyError as error:
                fault = plain(error)
                if fault != self.fault:
                    metrics.log.error(
                        "ledger.away reason=%s; pages learn of nothing new until it is back", fault
                    )
                self.fault = fault

    def _tell(self, code: str) -> None:
        new = self._ledger.decided_after(code, self._seen[code])
        for alert in new.alerts:
            self._feed.publish("alert", alert.model_dump(mode="json"))
        for release in new.releases:
            self._feed.publish("release", release.model_dump(mode="json"))
        for act in new.acts:
            self._feed.publish("act", act.model_dump(mode="json"))
        self._seen[code] = new.position
