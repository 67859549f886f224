"""Decisions: what a pipeline says of the records that it was given."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.finding import Finding, Forward
from schemas.notice import Notice


@dataclass(slots=True)
class Decisions:
    """What the pipeline decided, each list in the order of the log.

    Attributes
    ----------
    findings
        What our log led to, whoever decides on it; not what others forwarded to us.
    forwards
        Findings for the logs of other association areas, for each of them at least once.
    """

    findings: list[Finding] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.findings or self.alerts or self.notices or self.releases or self.acts or self.forwards
        )

    def add(self, later: Decisions) -> None:
        """Append what was decided later."""
        self.findings += later.findings
        self.alerts += later.alerts
        self.notices += later.notices
        self.releases += later.releases
        self.acts += later.acts
        self.forwards += later.forwards
