"""Notices: what one recipient is told by one channel, with id, text and expiry.

In      alert versions, to whom, the log time
Out     `Notice`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alerting.render import Places, notice_text
from alerting.routing.memory import Told
from alerting.routing.policy import RoutingPolicy
from schemas.alert import Alert
from schemas.bundle import Bundle
from schemas.hazard import Hazard
from schemas.ids import notice_id
from schemas.notice import AlertVersion, Notice, NoticeState
from schemas.times import Micros, from_micros


class NoticeMaker:
    """Makes notices; renders a text once for all who are told the same at the same time."""

    def __init__(self, policy: RoutingPolicy, bundle: Bundle) -> None:
        self._policy = policy
        self._places = Places(bundle.areas, bundle.stations)
        self._texts: dict[tuple[Any, ...], str] = {}
        self._texts_at: Micros | None = None

    def make(
        self,
        told: Told,
        alerts: Sequence[Alert],
        now: Micros,
        state: NoticeState,
        supersedes: tuple[str, ...],
        automatic: bool = False,
    ) -> Notice:
        """A notice about one or several versions, the highest first.

        Parameters
        ----------
        told
            To whom, by what.
        now
            Log time: due from now, or held since now.
        state
            `held` or `due`.
        supersedes
            Ids of earlier notices that it makes pointless while they are unsent.
        automatic
            A deadline released it.
        """
        first = alerts[0]
        spoken = told.channel in self._policy.spoken_channels
        versions = [f"{alert.id}:{alert.version}" for alert in alerts]
        return Notice(
            id=notice_id(versions, told.recipient, told.channel, told.audience),
            alerts=tuple(AlertVersion(id=alert.id, version=alert.version) for alert in alerts),
            audience="public" if told.audience == "public" else "responsible",
            tier=told.tier,
            area=told.area,
            recipient=told.recipient,
            channel=told.channel,
            state=state,
            first_due_at=from_micros(now) if state is NoticeState.DUE else None,
            hazard=first.hazard,
            level=first.level,
            cancel=all(alert.type == "cancel" for alert in alerts),
            status=first.status,
            text=self._text(alerts, told.area, now, spoken, automatic),
            repeat=first.repeat if spoken else 1,
            expires_at=from_micros(now + max(self._policy.expires_us(alert.hazard) for alert in alerts)),
            supersedes=supersedes,
            automatic_release=automatic,
        )

    def _text(self, alerts: Sequence[Alert], area: str, now: Micros, spoken: bool, automatic: bool) -> str:
        if self._texts_at != now:
            self._texts_at = now
            self._texts.clear()
        # Only a quake is told differently by place: it arrives at each place at its own time.
        place = area if any(alert.hazard is Hazard.EARTHQUAKE for alert in alerts) else None
        key = (place, spoken, automatic, *((alert.id, alert.version) for alert in alerts))
        if key not in self._texts:
            self._texts[key] = notice_text(
                alerts,
                self._places,
                from_micros(now),
                area=place,
                language=self._policy.language,
                spoken=spoken,
                automatic=automatic,
                max_parts=self._policy.max_parts,
            )
        return self._texts[key]
