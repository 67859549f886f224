"""What console, command line, dispatchers and topics ask of the ledger; each answer is one consistent view."""

from __future__ import annotations

from collections.abc import Sequence

from alerting.ledger import hops, owed, queries
from alerting.ledger.composed import notices_of
from alerting.ledger.database import Database
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.finding import Finding
from schemas.notice import Notice, NoticeState, Receipt
from schemas.times import Micros


class Questions:
    """The reading half of a ledger.

    Parameters
    ----------
    database
        Whose schema is at this release's head.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def decided_after(self, area: str, position: int) -> queries.Decided:
        """Alert versions, releases and judged acts of an association area behind a position of its log."""
        with self.database.read() as connection:
            return queries.decided_after(connection, area, position)

    def alerts_in_force(self, now_us: Micros | None = None) -> list[Alert]:
        """The newest version of each chain that is not ended, the highest level first."""
        with self.database.read() as connection:
            return queries.alerts_in_force(connection, now_us)

    def alert(self, alert: str) -> Alert | None:
        """The newest version of a chain; None where the ledger has no such chain."""
        versions = self.alert_versions(alert)
        return versions[-1] if versions else None

    def alert_versions(self, alert: str) -> list[Alert]:
        """All versions of a chain, in order."""
        with self.database.read() as connection:
            return queries.alert_versions(connection, alert)

    def association_of_alert(self, alert: str) -> str | None:
        """The association area that keeps a chain; None where the ledger has no such chain."""
        with self.database.read() as connection:
            return queries.association_of_alert(connection, alert)

    def newest_alerts(self, limit: int = 100, hazards: Sequence[str] | None = None) -> list[Alert]:
        """The newest alert versions, newest first."""
        with self.database.read() as connection:
            return queries.newest_alerts(connection, limit, hazards)

    def newest_released(self, since_us: Micros) -> list[Alert]:
        """Of each chain the newest version released to the public, also ended ones, issued or ending since."""
        with self.database.read() as connection:
            return queries.newest_released(connection, since_us)

    def released_to_public(self, now_us: Micros) -> list[Alert]:
        """What topics and feeds should hold: the newest released version of each chain, cancels for 24 h."""
        with self.database.read() as connection:
            return queries.released_to_public(connection, now_us)

    def releases_of(self, alert: str) -> list[Release]:
        """Who released which version of a chain, to whom."""
        with self.database.read() as connection:
            return queries.releases_of(connection, alert)

    def acts(self, alert: str | None = None, limit: int = 100) -> list[Act]:
        """The newest acts, of one chain or of all."""
        with self.database.read() as connection:
            return queries.acts(connection, alert, limit)

    def act(self, identity: str) -> Act | None:
        """One judged act; None while it is not judged."""
        with self.database.read() as connection:
            return queries.act(connection, identity)

    def newest_findings(self, limit: int = 100, area: str | None = None) -> list[Finding]:
        """The newest findings by event time."""
        with self.database.read() as connection:
            return queries.newest_findings(connection, limit, area)

    def findings(self, ids: Sequence[str]) -> list[Finding]:
        """Findings by their ids."""
        with self.database.read() as connection:
            return queries.findings_by_id(connection, ids)

    def notice(self, identity: str) -> Notice | None:
        """One notice as it stands."""
        with self.database.read() as connection:
            return notices_of(connection, [identity]).get(identity)

    def notices_of_alert(self, alert: str) -> list[Notice]:
        """All notices that name a chain, as they stand."""
        with self.database.read() as connection:
            return queries.notices_of_alert(connection, alert)

    def notices_in(self, state: NoticeState, limit: int = 100) -> list[Notice]:
        """Notices that stand in a state, the newest first."""
        with self.database.read() as connection:
            return queries.notices_in(connection, state, limit)

    def owed_acts(self) -> int:
        """How many acts of the system the log does not have yet."""
        with self.database.read() as connection:
            return owed.count(connection)

    def notice_counts(self) -> dict[tuple[str, NoticeState], int]:
        """How many notices stand in each state, by channel."""
        with self.database.read() as connection:
            return queries.notice_counts(connection)

    def oldest_due(self) -> dict[str, Micros]:
        """By channel: since when the oldest notice waits that is due and in nobody's hand."""
        with self.database.read() as connection:
            return queries.oldest_due(connection)

    def hops_of(self, notices: Sequence[str]) -> dict[str, hops.Hops]:
        """When each step of some notices happened, by their ids."""
        with self.database.read() as connection:
            return hops.of_notices(connection, notices)

    def told(self, alert: str) -> list[queries.Told]:
        """Who was told of a chain, and how that stands."""
        with self.database.read() as connection:
            return queries.told(connection, alert)

    def sent_by_hour(self, channel: str = "sms") -> list[queries.Sent]:
        """Messages that left by a channel, by recipient and hour."""
        with self.database.read() as connection:
            return queries.sent_by_hour(connection, channel)

    def receipts_of(self, notice: str) -> list[Receipt]:
        """What the channel said of a notice."""
        with self.database.read() as connection:
            return queries.receipts_of(connection, notice)

    def state_changes(self, after: int = 0, limit: int = 1000) -> list[queries.StateChange]:
        """Rows of notices' lives behind a sequence number."""
        with self.database.read() as connection:
            return queries.state_changes(connection, after, limit)
