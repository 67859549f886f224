"""Contacts: who is told next, by what, when a notice did not reach its recipient. Pure.

In      the version, what the routing remembers of its chain, who was not reached
Out     the one recipient and channel that is told instead, and to whom it is to be passed on; None where nobody is left
Source  EXACT, rule 11: the recipient's next channel, or the next contact

The recipient's own channels that nothing of this version went by come first, in his order. The next contact is another
person in charge of the same area (those of the same role first), else the duty post of the nearest area above that
policy tells of this alert. They have the warning already, as a rule: what is new to them is that somebody does not. A
channel that failed for this version is not used again, and nobody is asked twice for the same recipient.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from alerting.routing.decide import Decider
from alerting.routing.memory import RoutedChain, Told, line_key
from schemas.act import Act
from schemas.alert import Alert
from schemas.area import AreaIndex
from schemas.notice import AlertVersion
from schemas.recipient import Recipient

DUTY = "duty"
"""The role of a post that passes on what did not arrive below it."""


class UndeliveredContent(BaseModel):
    """Content of the system's `undelivered`: which notice did not reach whom, by what; `alerts`: all that it told."""

    model_config = ConfigDict(frozen=True)

    recipient: str = ""
    channel: str = ""
    alerts: tuple[AlertVersion, ...] = ()

    def versions(self, act: Act) -> list[tuple[str, int]]:
        """The versions that the notice told; of an act that lists none the one that it is about."""
        if not self.alerts and act.alert is not None and act.version is not None:
            return [(act.alert, act.version)]
        return [(one.id, one.version) for one in self.alerts]


class Contacts:
    """Finds who is told next.

    Parameters
    ----------
    decider
        By which channels policy lets a recipient be told.
    areas, recipients
        Of the bundle.
    """

    def __init__(self, decider: Decider, areas: AreaIndex, recipients: tuple[Recipient, ...]) -> None:
        self._decider = decider
        self._areas = areas
        self._by_id = {recipient.id: recipient for recipient in recipients}
        self._at: dict[str, list[Recipient]] = {}
        for recipient in recipients:
            self._at.setdefault(recipient.area, []).append(recipient)

    def next(self, alert: Alert, chain: RoutedChain, missed: Told) -> Told | None:
        """Who is told next of a version that did not reach `missed`; None where nothing is to be done or nobody is left."""
        own = self._by_id.get(missed.recipient)
        for way in () if own is None else self._ways(alert, chain, own):
            if way.line not in chain.told:
                return way
        unreached = (missed.recipient, *chain.passed.get(missed.line, ()))
        for contact in self._contacts(alert, missed, "" if own is None else own.role):
            ways = self._ways(alert, chain, contact)
            if ways and contact.id not in unreached:
                told = next((way for way in ways if way.line in chain.told), ways[0])
                return None if self.news(alert, chain, missed, told) is None else told
        return None

    def news(self, alert: Alert, chain: RoutedChain, missed: Told, told: Told) -> tuple[str, ...] | None:
        """Ids of whom a line is to tell because `missed` was not reached; None where it needs no notice, or may have none.

        Empty where the recipient himself is told by another channel. What he was to pass on goes with it.
        """
        recipient = self._by_id.get(told.recipient)
        if recipient is None or told not in self._ways(alert, chain, recipient):
            return None
        passed = chain.passed.get(missed.line, ())
        own = () if told.recipient == missed.recipient else (missed.recipient,)
        known = chain.passed.get(told.line, ())
        unknown = tuple(one for one in dict.fromkeys((*own, *passed)) if one not in known)
        return unknown if unknown or told.line not in chain.told else None

    def _ways(self, alert: Alert, chain: RoutedChain, recipient: Recipient) -> list[Told]:
        """The recipient's channels, in his order, that have not failed for this version."""
        return [
            Told(recipient.id, channel, audience, recipient.tier, recipient.area)
            for channel, audience in self._decider.ways(alert, recipient).items()
            # What is held is not let go by a failure.
            if (audience != "public" or chain.held is None)
            and line_key(recipient.id, channel) not in chain.failed
        ]

    def _contacts(self, alert: Alert, missed: Told, role: str) -> Iterator[Recipient]:
        beside = [
            one
            for one in self._at.get(missed.area, ())
            if one.id != missed.recipient and "responsible" in self._decider.ways(alert, one).values()
        ]
        yield from sorted(beside, key=lambda one: one.role != role)
        for area in self._areas.lineage(missed.area)[1:]:
            for one in self._at.get(area, ()):
                if one.role == DUTY and "responsible" in self._decider.ways(alert, one).values():
                    yield one
