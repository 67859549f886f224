"""What the demo's phones, loudspeakers and the city's dispatch system received, line by line on the terminal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from runtime.clock import Clock
from runtime.receivers.loudspeaker import Played
from runtime.receivers.message_centre import Sms
from schemas.times import CHINA, from_micros

_COLOURS = {"红色": "bold red", "橙色": "bold dark_orange", "黄色": "yellow", "蓝色": "bright_blue"}


class Told:
    """Prints each message once, with the post that it reached.

    Parameters
    ----------
    addresses
        By recipient and channel, as recipients.csv has them.
    posts
        By recipient, what it is called.
    """

    def __init__(
        self,
        screen: Console,
        clock: Clock,
        addresses: Mapping[str, Mapping[str, str]],
        posts: Mapping[str, str],
    ) -> None:
        self._screen = screen
        self._clock = clock
        self._posts = {
            (channel, address): posts[recipient]
            for recipient, channels in addresses.items()
            for channel, address in channels.items()
        }
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def sms(self, sms: Sms) -> None:
        """A whole message on a phone."""
        self._say("短信", self._posts.get(("sms", sms.address), sms.address), sms.text)

    def played(self, played: Played) -> None:
        """A notice that a loudspeaker has read aloud."""
        post = self._posts.get(("broadcast", played.address), played.address)
        self._say(f"广播×{played.repeat}", post, played.text)

    def webhook(self, notice: dict[str, Any]) -> None:
        """A notice in the city's dispatch system."""
        self._say("接口", "市应急指挥调度系统", str(notice.get("text", "")))

    def _say(self, means: str, post: str, text: str) -> None:
        now = from_micros(self._clock.now_us()).astimezone(CHINA)
        style = next((style for colour, style in _COLOURS.items() if colour in text), "")
        with self._lock:
            self.counts[means.partition("×")[0]] += 1
            self._screen.print(
                f"[dim]{now:%H:%M}[/] {means} → {escape(post)} [{style}]{escape(text)}[/]" if style
                else f"[dim]{now:%H:%M}[/] {means} → {escape(post)} {escape(text)}",
                overflow="ellipsis",
                no_wrap=True,
                highlight=False,
            )  # fmt: skip
