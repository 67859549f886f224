"""What every channel keeps to: one call, four outcomes, reasons from one closed list.

In      a `Message`: one notice, its address, what is said
Out     `Sent`, `Retry`, `Refused` or `Unknown`; receipts later, through `Receive`

`Unknown` is the dangerous one: it may have arrived. A channel that is `repeatable` is simply called again, because
its receiver recognises a repeat; another is called again only as docs/exactness.md, rule 11 says.
No outcome's `detail` holds an address with credentials, a password or a key: it is logged, stored and shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from schemas.notice import Notice
from schemas.times import Micros


class Reason(StrEnum):
    """Why a message did not certainly arrive; also the metric's label."""

    UNREACHABLE = "unreachable"
    """Nothing left this machine: no connection."""
    THROTTLED = "throttled"
    """The other side takes no more for now."""
    BUSY = "busy"
    """The other side has a fault that should pass."""
    LOGIN = "login"
    """The other side does not let us in."""
    ADDRESS = "address"
    """Nobody can be reached there."""
    EXAMPLE = "example"
    """An address marked as an example, and a server that is not on loopback."""
    CONTENT = "content"
    """The other side does not take what is said."""
    REJECTED = "rejected"
    """Refused for another reason; `detail` has the other side's code."""
    NO_ANSWER = "no_answer"
    """It left, and no answer came."""
    PARTIAL = "partial"
    """A part of it was taken, and a part was not."""
    CRASHED = "crashed"
    """A dispatcher ended between sending and recording."""
    LATE = "late"
    """Nothing left this machine: the dispatcher was asleep until its claim was nearly over."""
    FAULT = "fault"
    """A fault of our own, in the log with its trace."""


@dataclass(frozen=True)
class Sent:
    """The channel took it.

    `references`: the channel's own names for it, by which receipts come. `delivered`: taking it is all the receipt
    that there will be, and enough.
    """

    references: tuple[str, ...] = ()
    delivered: bool = False


@dataclass(frozen=True)
class Retry:
    """It surely did not arrive, and may if tried again; not before `after_s` where the other side says so."""

    reason: Reason
    detail: str = ""
    after_s: float | None = None


@dataclass(frozen=True)
class Refused:
    """It surely did not arrive, and trying again would change nothing."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Unknown:
    """It may or may not have arrived."""

    reason: Reason
    detail: str = ""


Outcome = Sent | Retry | Refused | Unknown


@dataclass(frozen=True)
class Message:
    """What a channel is to carry.

    `text` is the notice's, marked 重发 where it may have arrived before. `sent_us`: the machine's clock, for signatures.
    `expires_in_s`: seconds of the machine until it is not worth having.
    """

    notice: Notice
    address: str
    text: str
    resend: bool
    sent_us: Micros
    expires_in_s: float


@dataclass(frozen=True)
class ChannelReceipt:
    """What came back later: about a `notice`, or about what the channel called `reference`."""

    channel: str
    state: Literal["delivered", "failed", "played"]
    notice: str | None = None
    reference: str | None = None
    at_us: Micros | None = None
    device: str | None = None
    detail: str | None = None


Receive = Callable[[ChannelReceipt], None]
"""Takes receipts, from any thread; must not block."""


class Channel(Protocol):
    """One way to people. `send` and `probe` may be called many times at once, in one event loop."""

    name: str
    repeatable: bool

    async def send(self, message: Message) -> Outcome:
        """Carry one message; returns within the channel's own time-out and raises nothing that the network does."""
        ...

    async def probe(self) -> Outcome:
        """Test the link; harmless to the receiver."""
        ...

    async def close(self) -> None:
        """Leave in order."""
        ...


def example_refused(address: str, host: str) -> Refused | None:
    """Refuse an address marked `example`, unless the server is on loopback and so can call nobody."""
    if "example" in address.lower() and not on_loopback(host):
        return Refused(Reason.EXAMPLE, "the address is marked example, and the server is not on loopback")
    return None


def on_loopback(host: str) -> bool:
    """Whether a host is this machine by its name; no name is looked up."""
    return host in {"localhost", "::1"} or host.startswith("127.")
