"""Notices: what one recipient is told by one channel, with id, text and expiry.

In      alert versions, to whom, the log time
Out     `Notice`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from alerting.render import Places, called, notice_text, unreached_mark
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
        self._recipients = {recipient.id: recipient for recipient in bundle.recipients}
        self._of_a_kind = Counter((one.area, one.role) for one in bundle.recipients)
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
        unreached: Sequence[str] = (),
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
        unreached
            Ids of recipients to whom it is to be passed on.
        """
        first = alerts[0]
        spoken = told.channel in self._policy.spoken_channels
        what = [f"{alert.id}:{alert.version}" for alert in alerts]
        what += [f"unreached:{one}" for one in unreached]
        mark = unreached_mark([self._called(one) for one in unreached], self._policy.language, spoken=spoken)
        return Notice(
            id=notice_id(what, told.recipient, told.channel, told.audience),
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
            text=mark + self._text(alerts, told.area, now, spoken, automatic),
            repeat=first.repeat if spoken else 1,
            expires_at=from_micros(now + max(self._policy.expires_us(alert.hazard) for alert in alerts)),
            supersedes=supersedes,
            automatic_release=automatic,
        )

    def _called(self, identity: str) -> str:
        recipient = self._recipients.get(identity)
        if recipient is None:
            return identity
        name = called(self._places.own(recipient.area), recipient.role, self._policy.language)
        # Posts stay outside the bundle: of several desks of one place only the id says which.
        return f"{name}（{identity}）" if self._of_a_kind[recipient.area, recipient.role] > 1 else name

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
