"""Forwarding, decided: which messages go, which go again, and which may be forgotten. Pure: no clock, no socket.

In      messages held, oldest first; acknowledgements of the engine; the time in seconds of any clock that never goes back
Out     ids to send now; ids to forget

A station's messages go out within a window of 1,000 numbers from its oldest, because an acknowledgement speaks of no
more. One goes again when a message that was sent after it has been acknowledged and it has not, for `resend_s`:
brokers keep the order, so it was lost. Where nothing at all is acknowledged only the oldest goes again, as a probe,
less and less often: an engine that is away must not find its queue full of repeats. One that was lost many times over
while others arrived (the engine cannot read its number) still goes again, and no longer holds up its station. Of a station
that the broker forbids one message goes as a trial, now and then; brokers part from whoever sends what is forbidden.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from runtime.relay.numbering import Held
from schemas.acknowledgement import WINDOW, Acknowledgement

MOST_PROBE_S = 300.0
MOST_RESEND_S = 300.0
_LOOK_S = 0.5
_HOLDS_UP = 8
_MOST_DOUBLED = 16


@dataclass(slots=True)
class _Message:
    id: int
    station: str | None
    number: int | None
    tries: int = 0
    lost: int = 0
    serial: int = 0
    sent_s: float = 0.0


@dataclass(slots=True)
class _Line:
    """A station's messages by number, ascending; those that wait for the window to reach them, and for a right to be given."""

    held: dict[int, _Message] = field(default_factory=dict)
    later: deque[_Message] = field(default_factory=deque)
    trial: _Message | None = None
    put_off: list[_Message] = field(default_factory=list)


class Forwarding:
    """The state of all messages in hand.

    Parameters
    ----------
    resend_s
        How long an acknowledgement may be in coming.
    """

    def __init__(self, resend_s: float) -> None:
        self._resend_s = resend_s
        self._lines: dict[str, _Line] = {}
        self._ready: deque[_Message] = deque()
        self._flying: dict[int, _Message] = {}
        self._messages: dict[int, _Message] = {}
        self._unnumbered = _Line()
        self._trials: dict[int, _Message] = {}
        self._serial = 0
        self._heard = 0
        self._probe_wait_s = resend_s
        self._probed_s = float("-inf")
        self._looked_s = float("-inf")

    def __len__(self) -> int:
        """How many messages are in hand."""
        return len(self._messages)

    def add(self, messages: Iterable[Held]) -> None:
        """Take messages in hand, in order of their ids."""
        for held in messages:
            message = self._messages[held.id] = _Message(*held)
            if message.station is None or message.number is None:
                self._ready.append(message)
                continue
            line = self._lines.setdefault(message.station, _Line())
            line.held[message.number] = message
            if line.later or not self._in_window(line, message.number):
                line.later.append(message)
            else:
                self._ready.append(message)

    def to_send(self, now_s: float, most: int) -> list[int]:
        """Ids to send now, at most so many; they count as sent."""
        chosen: list[_Message] = []
        if now_s - self._looked_s >= _LOOK_S:
            chosen = self._lost(now_s, most)
            if len(chosen) < most:
                self._looked_s = now_s
        while self._ready and len(chosen) < most:
            message = self._ready.popleft()
            if message.id in self._messages:
                line = self._line(message)
                (chosen if line.trial is None else line.put_off).append(message)
        for message in chosen:
            self._serial += 1
            message.serial, message.sent_s, message.tries = self._serial, now_s, message.tries + 1
            self._flying.pop(message.id, None)
            self._flying[message.id] = message  # in order of serials
        return [message.id for message in chosen]

    def tries(self, id: int) -> int:
        """How often a message in hand has been sent."""
        return self._messages[id].tries

    def acknowledged(self, station: str, acknowledgement: Acknowledgement) -> list[int]:
        """Ids that the engine has: forget them."""
        line = self._lines.get(station)
        if line is None:
            return []
        missing = frozenset(acknowledgement.missing)
        lowest = acknowledgement.sequence - WINDOW
        durable = [
            number
            for number in _from(line, acknowledgement.sequence)
            if number >= lowest and number not in missing
        ]
        gone = [line.held.pop(number) for number in durable]
        self._heard = max(self._heard, *(message.serial for message in gone), 0)
        if gone:
            self._probe_wait_s = self._resend_s
        self._drop(gone)
        if gone:
            self._allow(line)
        self._let_out(line)
        if not line.held:
            del self._lines[station]
        return [message.id for message in gone]

    def taken(self, id: int) -> bool:
        """The broker took a message: whether that is all that can be known of it, so that it may be forgotten."""
        message = self._messages.get(id)
        if message is None:
            return False
        if id in self._trials:
            self._allow(self._line(message))
        if message.number is not None:
            return False
        self._drop([message])
        return True

    def refused(self, id: int) -> None:
        """The broker forbids a message: its station waits, and one of its messages is tried again now and then."""
        message = self._messages.get(id)
        if message is None:
            return
        line = self._line(message)
        if line.trial is None:
            line.trial = self._trials[id] = message
        if line.trial is message:
            message.lost += 1
        elif self._flying.pop(id, None) is not None:
            line.put_off.append(message)

    @property
    def forbidden(self) -> int:
        """Of how many stations the broker forbids messages; all without a number count as one."""
        return len(self._trials)

    def reconnected(self) -> None:
        """The broker was away and is back: look for losses soon."""
        self._probe_wait_s = self._resend_s

    def _line(self, message: _Message) -> _Line:
        return self._unnumbered if message.station is None else self._lines[message.station]

    def _allow(self, line: _Line) -> None:
        if line.trial is not None:
            self._trials.pop(line.trial.id, None)
            self._ready.extend(sorted(line.put_off, key=lambda message: message.id))
            line.trial, line.put_off = None, []

    def _let_out(self, line: _Line) -> None:
        while line.later and self._in_window(line, line.later[0].number):
            self._ready.append(line.later.popleft())

    def _drop(self, messages: list[_Message]) -> None:
        for message in messages:
            del self._messages[message.id]
            self._flying.pop(message.id, None)

    def _lost(self, now_s: float, most: int) -> list[_Message]:
        found = list(islice((m for m in self._doubtful() if now_s - m.sent_s >= self._patience_s(m)), most))
        for message in found:
            message.lost += message.id not in self._trials  # a trial is counted when it is refused
            if message.lost == _HOLDS_UP and message.station is not None:
                self._let_out(self._lines[message.station])
        if not found and now_s - self._probed_s >= self._probe_wait_s:
            oldest = next((m for m in self._flying.values() if m.id not in self._trials), None)
            unheard = oldest is not None and oldest.serial >= self._heard
            if oldest is not None and unheard and now_s - oldest.sent_s >= self._resend_s:
                self._probed_s = now_s
                self._probe_wait_s = min(2 * self._probe_wait_s, MOST_PROBE_S)
                found = [oldest]
        return found

    def _patience_s(self, message: _Message) -> float:
        return min(self._resend_s * 2.0 ** min(message.lost, _MOST_DOUBLED), MOST_RESEND_S)

    def _doubtful(self) -> Iterator[_Message]:
        yield from self._trials.values()
        for message in self._flying.values():
            if message.serial >= self._heard:
                return
            if message.id not in self._trials:
                yield message

    @staticmethod
    def _in_window(line: _Line, number: int | None) -> bool:
        if number is None:
            return True
        oldest = next((n for n, message in line.held.items() if message.lost < _HOLDS_UP), number)
        return number <= oldest + WINDOW


def _from(line: _Line, highest: int) -> Iterator[int]:
    for number in line.held:
        if number > highest:
            return
        yield number
