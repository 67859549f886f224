"""What every detector must keep, whatever its hazard: one line in a detector's test runs it all.

    @pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
    def test_rain_keeps_the_contract(check):
        check(Subject(lambda: [RainSignal(RainParameters(), BUNDLE)], packets()))

A `Subject` makes the stages in order: station stages first, then the network stages behind them.
Its packets must be assessed (flags, counts); the driver gives them log times as the pipeline would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from schemas.finding import Finding
from schemas.hazard import Hazard
from schemas.packet import Packet
from schemas.stage import UnknownState
from schemas.times import DAY, HOUR, MINUTE, Micros


@dataclasses.dataclass
class Subject:
    """A detector and a stream of packets in the log's order that makes it speak."""

    make: Callable[[], Sequence[Any]]
    packets: Sequence[Packet]
    speaks: bool = True


class Drive:
    """Gives packets to stages as the pipeline does: dues first, rows between dues and full minutes in one piece."""

    def __init__(self, stages: Sequence[Any]) -> None:
        self.stations = [stage for stage in stages if hasattr(stage, "kinds")]
        self.networks = [stage for stage in stages if hasattr(stage, "takes")]
        self.stages = [*self.stations, *self.networks]
        self.now: Micros = -(2**62)
        self.found: list[Finding] = []

    @property
    def said(self) -> list[str]:
        """What was found so far, as JSON, in order."""
        return [finding.model_dump_json() for finding in self.found]

    def take(self, packet: Packet) -> None:
        log_us = np.maximum.accumulate(np.maximum(packet.received_us, self.now))
        packet = packet.with_log_time(log_us)
        start = 0
        while start < len(packet):
            self.until(int(log_us[start]))
            dues = [due for stage in self.stations if (due := stage.next_due()) is not None]
            limit = min([*dues, (int(log_us[start]) // MINUTE + 1) * MINUTE])
            stop = max(start + 1, int(np.searchsorted(log_us, limit, side="left")))
            self._span(packet.span(start, stop))
            start = stop

    def _span(self, span: Packet) -> None:
        found: list[tuple[int, int, Any]] = []
        for depth, stage in enumerate(self.stations):
            if span.kind not in stage.kinds:
                continue
            emitted = stage.process(span, int(span.log_us[-1]))
            rows = [e.row for e in emitted]
            assert rows == sorted(rows), f"{stage.name}: findings out of the order of their rows"
            found += [(e.row, depth, e.item) for e in emitted]
        found.sort(key=lambda entry: entry[:2])
        for row, depth, item in found:
            self._tick(int(span.log_us[row]), len(self.stations))
            self._hand_on(item, depth, int(span.log_us[row]))
        self._tick(int(span.log_us[-1]), len(self.stations))
        self.now = int(span.log_us[-1])

    def until(self, moment: Micros) -> None:
        """Let log time pass to `moment`."""
        self._tick(moment, 0)
        self.now = max(self.now, moment)

    def _tick(self, moment: Micros, first: int) -> None:
        for _ in range(1_000_000):
            dues = [
                (due, index)
                for index, stage in enumerate(self.stages)
                if index >= first and (due := stage.next_due()) is not None
            ]
            if not dues or min(dues)[0] > moment:
                return
            due, index = min(dues)
            for item in self.stages[index].tick(due):
                self._hand_on(getattr(item, "item", item), index, due)
        raise AssertionError("a due does not move on when it is ticked")

    def _hand_on(self, item: Any, depth: int, now: Micros) -> None:
        if isinstance(item, Finding):
            self.found.append(item)
        for index in range(max(depth + 1, len(self.stations)), len(self.stages)):
            stage = self.stages[index]
            if isinstance(item, stage.takes):
                for result in stage.process(item, now):
                    self._hand_on(result, index, now)

    def rows(self, method: str) -> dict[str, bytes | None]:
        """What `changed` or `state` of all stages gives, under the keys that the pipeline writes."""
        return {
            f"{stage.name}/{key}": value
            for stage in self.stages
            for key, value in getattr(stage, method)().items()
        }

    def saved(self) -> None:
        for stage in self.stages:
            stage.saved(None)

    def restore(self, rows: Mapping[str, bytes], now: Micros) -> None:
        for stage in self.stages:
            head = f"{stage.name}/"
            stage.restore({key[len(head) :]: value for key, value in rows.items() if key.startswith(head)})
        self.now = now


def _run(subject: Subject, packets: Sequence[Packet]) -> Drive:
    drive = Drive(subject.make())
    for packet in packets:
        drive.take(packet)
    return drive


def _arrays(packet: Packet) -> Iterator[np.ndarray]:
    for name in ("row", "observed_us", "received_us", "log_us", "flag", "counts", "offsets"):
        array = getattr(packet, name)
        if array is not None:
            yield array
    yield from packet.columns.values()
    yield from packet.parts.values()


def _pieces(packet: Packet, sizes: Sequence[int]) -> list[Packet]:
    pieces, start, turn = [], 0, 0
    while start < len(packet):
        stop = min(len(packet), start + sizes[turn % len(sizes)])
        pieces.append(packet.span(start, stop))
        start, turn = stop, turn + 1
    return pieces


def leaves_inputs_unchanged(subject: Subject) -> None:
    """Purity: packets are read, never written."""
    before = [[array.tobytes() for array in _arrays(packet)] for packet in subject.packets]
    for packet in subject.packets:
        for array in _arrays(packet):
            array.flags.writeable = False
    _run(subject, subject.packets)
    assert before == [[array.tobytes() for array in _arrays(packet)] for packet in subject.packets]


def speaks_when_it_should(subject: Subject) -> None:
    """The stream of the subject makes it find something: no other check is worth anything else."""
    assert bool(_run(subject, subject.packets).said) == subject.speaks


def says_the_same_twice(subject: Subject) -> None:
    """Determinism: a second run says the same to the byte."""
    assert _run(subject, subject.packets).said == _run(subject, subject.packets).said


def gives_the_same_for_any_cut(subject: Subject) -> None:
    """Rows one by one, in odd pieces or whole packets: the same findings and the same state."""
    whole = _run(subject, subject.packets)
    for sizes in ((1,), (2, 3), (7, 1, 31), (64,)):
        cut = [piece for packet in subject.packets for piece in _pieces(packet, sizes)]
        other = _run(subject, cut)
        assert other.said == whole.said, f"cut into {sizes}"
        assert other.rows("state") == whole.rows("state"), f"state, cut into {sizes}"


def restores_from_all_rows_saved(subject: Subject) -> None:
    """The rows of all checkpoints so far are the state, and a stage made of them goes on the same."""
    whole = _run(subject, subject.packets).said
    pieces = [piece for packet in subject.packets for piece in _pieces(packet, (13, 40))]
    step = max(1, len(pieces) // 6)
    drive, said = Drive(subject.make()), list[str]()
    durable: dict[str, bytes | None] = {}
    for number, piece in enumerate(pieces):
        drive.take(piece)
        if number % step:
            continue
        for key, value in drive.rows("changed").items():
            if value is None:
                durable.pop(key, None)
            else:
                durable[key] = value
        drive.saved()
        assert durable == drive.rows("state")
        assert not drive.rows("changed"), "nothing changed since the checkpoint"
        said += drive.said
        revived = Drive(subject.make())
        revived.restore({k: v for k, v in durable.items() if v is not None}, drive.now)
        assert revived.rows("state") == durable
        assert not revived.rows("changed"), "what was restored is saved already"
        drive = revived
    assert said + drive.said == whole


def keeps_what_changes_while_it_is_saved(subject: Subject) -> None:
    """Changes made between `changed` and `saved` are in the next checkpoint."""
    pieces = [piece for packet in subject.packets for piece in _pieces(packet, (17,))]
    drive = Drive(subject.make())
    durable: dict[str, bytes | None] = {}
    for piece in pieces:
        taken = drive.rows("changed")
        drive.take(piece)
        drive.saved()
        for key, value in taken.items():
            if value is None:
                durable.pop(key, None)
            else:
                durable[key] = value
    for key, value in drive.rows("changed").items():
        if value is None:
            durable.pop(key, None)
        else:
            durable[key] = value
    assert durable == drive.rows("state")


def refuses_a_state_it_does_not_know(subject: Subject) -> None:
    """A row of an unknown version stops the engine with a plain error; unknown keys are ignored."""
    rows = {key: value for key, value in _run(subject, subject.packets).rows("state").items() if value}
    for stage in Drive(subject.make()).stages:
        own = {key.split("/", 1)[1]: v for key, v in rows.items() if key.startswith(f"{stage.name}/")}
        if not own:
            continue
        key, value = next(iter(own.items()))
        assert value[0] == stage.state_version
        with pytest.raises(UnknownState, match="version 250"):
            stage.restore({key: b"\xfa" + value[1:]})


def scores_no_reading_that_does_not_count(subject: Subject) -> None:
    """Repeats, conflicts and readings past the horizon change nothing that is found."""
    doubled = []
    for packet in subject.packets:
        n = len(packet)
        again = dataclasses.replace(packet, counts=np.zeros(n, dtype=bool))
        for piece, echo in zip(_pieces(packet, (29,)), _pieces(again, (29,)), strict=True):
            late = np.full(len(echo), piece.received_us.max(), dtype=np.int64)
            doubled += [piece, dataclasses.replace(echo, received_us=late, log_us=late)]
    silent = [f for f in _run(subject, doubled).found if f.hazard is not Hazard.STATION]
    plain = [f for f in _run(subject, subject.packets).found if f.hazard is not Hazard.STATION]
    assert [f.model_dump_json() for f in silent] == [f.model_dump_json() for f in plain]


def bears_late_readings(subject: Subject) -> None:
    """Readings that come hours late or backwards are taken, and still any cut says the same."""
    late = []
    for packet in subject.packets:
        n = len(packet)
        received = np.maximum.accumulate(packet.received_us).copy()
        order = np.arange(n)
        order[n // 3 : 2 * n // 3] = order[n // 3 : 2 * n // 3][::-1]
        ends = [packet.span(int(i), int(i) + 1) for i in order]
        late += [
            dataclasses.replace(one, received_us=received[k : k + 1], log_us=received[k : k + 1])
            for k, one in enumerate(ends)
        ]
    backwards = [p for p in late if np.all(p.received_us >= p.observed_us)]
    whole = _run(subject, _joined(backwards))
    assert whole.said == _run(subject, backwards).said


def _joined(packets: Sequence[Packet]) -> list[Packet]:
    from schemas.packet import merged

    groups: list[list[Packet]] = []
    for packet in packets:
        if groups and groups[-1][0].kind == packet.kind and len(groups[-1]) < 50:
            groups[-1].append(packet)
        else:
            groups.append([packet])
    return [merged(group) for group in groups]


def is_never_lowered_by_silence(subject: Subject) -> None:
    """After the last reading, and after any reading, time alone lowers nothing and ends nothing."""
    pieces = [piece for packet in subject.packets for piece in _pieces(packet, (37,))]
    for stop in sorted({len(pieces), len(pieces) // 2, len(pieces) // 3} - {0}):
        drive = _run(subject, pieces[:stop])
        standing = {(f.detector, f.subject): f.level for f in drive.found if f.hazard is not Hazard.STATION}
        spoken = len(drive.found)
        for hours in (1, 3, 12, 72):
            drive.until(drive.now + hours * HOUR)
        drive.until(drive.now + 30 * DAY)
        for finding in drive.found[spoken:]:
            if finding.hazard is not Hazard.STATION and not finding.evidence.get("event"):
                assert finding.level >= standing.get((finding.detector, finding.subject), 0), finding


def numbers_its_findings(subject: Subject) -> None:
    """No id comes twice, and every finding of level 1 or higher shows figures for and words against."""
    found = _run(subject, subject.packets).found
    assert len({finding.id for finding in found}) == len(found)
    for finding in found:
        assert finding.evidence, finding
        assert all(isinstance(key, str) for key in finding.evidence)


every_detector_passes: tuple[Callable[[Subject], None], ...] = (
    speaks_when_it_should,
    leaves_inputs_unchanged,
    says_the_same_twice,
    gives_the_same_for_any_cut,
    restores_from_all_rows_saved,
    keeps_what_changes_while_it_is_saved,
    refuses_a_state_it_does_not_know,
    scores_no_reading_that_does_not_count,
    bears_late_readings,
    is_never_lowered_by_silence,
    numbers_its_findings,
)
"""Every check, to be given to `pytest.mark.parametrize`."""
