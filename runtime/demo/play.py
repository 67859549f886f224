"""What the demo is on every engine: a stretch of a simulated storm, its stations, how things stand, what it came to."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console

from alerting.ledger import Ledger
from runtime.configuration.loading import Configuration
from runtime.configuration.shipped import SHIPPED
from runtime.demo.feeder import Feeder, Spoken, simulated_storm, spoken
from runtime.demo.pace import DemoClock
from runtime.demo.screen import MARK, Standing
from runtime.demo.summary import show, summarise, write_page
from runtime.demo.told import Told
from runtime.simulate.scenarios import Scenario
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import NoticeState
from schemas.times import CHINA, HOUR, MINUTE, SECOND, Micros, from_micros

LEAD_US = 40 * MINUTE
"""How long before its worst hours the demo joins the storm."""
LENGTH_US = 4 * HOUR
"""How much of the storm it shows."""
SETTLE_S = 20.0
"""How long at most the last notices get to arrive."""
_UNDER_WAY = {NoticeState.DUE, NoticeState.SENDING, NoticeState.SENT}
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Storm:
    """The readings of a demo: those of the night before, and those of the hours that it shows.

    Attributes
    ----------
    start_us, end_us
        When the shown hours begin and end, by the storm's own time.
    """

    scenario: Scenario
    start_us: Micros
    end_us: Micros
    before: list[Spoken]
    shown: list[Spoken]

    @classmethod
    def simulated(cls, seed: int, length_us: Micros = LENGTH_US) -> Self:
        """The storm over the place that ships."""
        scenario = simulated_storm(SHIPPED, seed)
        start_us = scenario.worst_us[0] - LEAD_US
        end_us = start_us + length_us
        before = spoken(scenario, scenario.start_us, start_us)
        return cls(scenario, start_us, end_us, before, spoken(scenario, start_us, end_us))

    def rest(self) -> list[Spoken]:
        """What comes after the shown hours."""
        return spoken(self.scenario, self.end_us, self.scenario.stop_us)

    def rate(self, seconds: float) -> float:
        """How many times as fast as itself it goes by in `seconds` of the machine."""
        return (self.end_us - self.start_us) / SECOND / seconds


class Standings:
    """Gathers how things stand; the ledger is asked no more than once a second.

    Attributes
    ----------
    feeder
        Whose readings count, once there is one.
    told
        Whose messages count.
    """

    def __init__(self, ledger: Ledger, clock: DemoClock, page: str, storm: Storm) -> None:
        self._ledger, self._clock, self._page = ledger, clock, page
        self._before, self._shown = len(storm.before), len(storm.shown)
        self._looked_s = -_LOOK_EVERY_S
        self._in_force: dict[Level, int] = {}
        self.feeder: Feeder | None = None
        self.told: Told | None = None

    @property
    def readings(self) -> int:
        """Readings so far, with those of the night before."""
        return self._before + (self.feeder.published if self.feeder is not None else 0)

    def now(self) -> Standing:
        """How things stand now."""
        now_us = self._clock.now_us()
        now_s = self._clock.machine_s(now_us)
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            alerts = self._ledger.alerts_in_force(now_us)
            self._in_force = Counter(Level(a.level) for a in alerts if a.hazard != Hazard.STATION)
        return Standing(
            from_micros(now_us).astimezone(CHINA),
            self._page,
            (self.readings - self._before) / self._shown,
            self.readings,
            self._in_force,
            dict(self.told.counts) if self.told is not None else {},
        )


def introduce(console: Console, storm: Storm, seconds: float, engine: str = "") -> None:
    """Say what is shown, and by what."""
    hours = (storm.end_us - storm.start_us) / HOUR
    console.print(
        f"[bold]烽火 Fenghuo[/]  [bold white on dark_orange3] {MARK} [/]"
        f"  an exercise: {hours:g} hours of a simulated storm over Bazhong in {seconds:g} s{engine}",
        highlight=False,
        soft_wrap=True,
    )


def explain(console: Console, page: str) -> None:
    """Say how to read what comes."""
    console.print(
        "公众通知在演练中自动发布 public notices are released by themselves in this exercise\n"
        "市 city · 县 county · 乡 township · 村 village    "
        "短信 SMS · 广播 loudspeaker · 接口 webhook of the city's dispatch system\n"
        f"console page  {page}",
        highlight=False,
        soft_wrap=True,
    )


def settle(ledger: Ledger, stopped: threading.Event, at_most_s: float = SETTLE_S) -> None:
    """Wait for the last notices to arrive."""
    for _ in range(int(at_most_s / _LOOK_EVERY_S)):
        counts = ledger.notice_counts()
        if not any(state in _UNDER_WAY for _, state in counts) or stopped.wait(_LOOK_EVERY_S):
            return


def sum_up(
    console: Console,
    ledger: Ledger,
    configuration: Configuration,
    readings: int,
    clock: DemoClock,
    data: Path,
) -> None:
    """Print the figures, and write the page of them.

    Parameters
    ----------
    data
        Folder of the report; `received.txt` is in it already.
    """
    summary = summarise(ledger, readings, clock)
    show(summary, console)
    write_page(summary, ledger, configuration.posts, data / "report.html")
    console.print(
        f"what everybody received  {data / 'received.txt'}\nreport                   {data / 'report.html'}",
        highlight=False,
        soft_wrap=True,
    )
