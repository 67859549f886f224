"""What the demo's phones, loudspeakers and the city's dispatch system received, one line a message."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from runtime.clock import Clock
from runtime.receivers.loudspeaker import Played
from runtime.receivers.message_centre import Sms
from schemas.area import Tier
from schemas.level import Level
from schemas.recipient import Recipient
from schemas.times import CHINA, from_micros

TIERS_ZH = {Tier.CITY: "市", Tier.COUNTY: "县", Tier.TOWNSHIP: "乡", Tier.VILLAGE: "村"}
MEANS = {"sms": ("短信", "SMS"), "broadcast": ("广播", "loudspeaker"), "webhook": ("接口", "webhook")}
"""By channel: how a line calls it, and in English."""

_LEVELS = {level.colour_zh[0]: level for level in Level if level}
_WARNING = re.compile(
    r"(?P<verb>发布|变更|延续|解除)(?P<what>[^发变延解]*?)(?P<colour>[红橙黄蓝])色预警"
    r"(?:（[IV]+级）|，[一二三四]级)?[：，。]?(?P<rest>.*)",
    re.DOTALL,
)
_OPENING = re.compile(r"^(【[^】]*】|演练，演练，以下是模拟数据。)+")


class Said(NamedTuple):
    """One message as it was received: when (Beijing time), where, and the whole text."""

    at: datetime
    tier: str
    channel: str
    post: str
    text: str

    @property
    def level(self) -> Level:
        """Of the first warning in it; none for other news."""
        found = _WARNING.search(self.text)
        return _LEVELS[found["colour"]] if found else Level.NONE

    @property
    def gist(self) -> str:
        """What matters first: the text without marks, issuer and time, which every message begins with."""
        found = _WARNING.search(self.text)
        if found is None:
            return _OPENING.sub("", self.text)
        return f"{found['verb']}{found['what']} {found['rest']}".strip()

    @property
    def line(self) -> str:
        """All of it on one line."""
        return f"{self.at:%H:%M} {self.tier} {MEANS[self.channel][0]} {self.post} {self.text}"


class Told:
    """Gives each message that arrives a time and a post, counts it, and hands it on.

    Parameters
    ----------
    addresses
        By recipient and channel, as recipients.csv has them.
    posts
        By recipient, what it is called.
    on_said
        Called from the receivers' threads, one at a time; must not block.
    """

    def __init__(
        self,
        clock: Clock,
        recipients: Sequence[Recipient],
        addresses: Mapping[str, Mapping[str, str]],
        posts: Mapping[str, str],
        on_said: Callable[[Said], None],
    ) -> None:
        tiers = {recipient.id: TIERS_ZH[recipient.tier] for recipient in recipients}
        self._clock = clock
        self._on_said = on_said
        self._whose = {
            (channel, address): (tiers[recipient], posts[recipient])
            for recipient, channels in addresses.items()
            for channel, address in channels.items()
        }
        self._dispatch = next(whose for (channel, _), whose in self._whose.items() if channel == "webhook")
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Messages by channel."""

    def sms(self, sms: Sms) -> None:
        """A whole message on a phone."""
        self._say("sms", self._whose[("sms", sms.address)], sms.text)

    def played(self, played: Played) -> None:
        """A notice that a loudspeaker has read aloud, as often as it was asked to."""
        self._say("broadcast", self._whose[("broadcast", played.address)], played.text)

    def webhook(self, notice: dict[str, Any]) -> None:
        """A notice in the city's dispatch system."""
        self._say("webhook", self._dispatch, str(notice["text"]))

    def _say(self, channel: str, whose: tuple[str, str], text: str) -> None:
        at = from_micros(self._clock.now_us()).astimezone(CHINA)
        with self._lock:
            self.counts[channel] += 1
            self._on_said(Said(at, whose[0], channel, whose[1], text))
