"""The demonstration from beginning to end."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import webbrowser
from collections import Counter
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from alerting.channels.smpp import SmppSettings
from ingest.arrival import Arrival, Settled
from runtime.configuration.loading import Configuration, load
from runtime.configuration.shipped import SHIPPED
from runtime.demo.feeder import Feeder, Spoken, in_arrays, simulated_storm, spoken
from runtime.demo.pace import PacedClock
from runtime.demo.people import TOKEN, People, free_port
from runtime.demo.screen import MARK, Screen, Standing
from runtime.demo.summary import show, summarise, write_page
from runtime.demo.told import Told
from runtime.process import EmbeddedProcess
from schemas.alert import Status
from schemas.bundle import Bundle
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import NoticeState
from schemas.times import CHINA, HOUR, MINUTE, SECOND, from_micros

LEAD_US = 40 * MINUTE
"""How long before its worst hours the demo joins the storm."""
LENGTH_US = 4 * HOUR
"""How much of the storm it shows."""
SETTLE_S = 20.0
"""How long at most the last notices get to arrive."""
_UNDER_WAY = {NoticeState.DUE, NoticeState.SENDING, NoticeState.SENT}
_LOOK_EVERY_S = 1.0


def demonstrate(
    console: Console,
    *,
    seconds: float,
    seed: int,
    port: int | None,
    browser: bool,
    keep: bool,
    data: Path,
    stopped: threading.Event,
) -> None:
    """Play the storm, print what everybody received, and sum it up.

    Parameters
    ----------
    seconds
        How long the storm takes, in the machine's seconds.
    port
        Of the page; None for any that is free.
    keep
        Afterwards the storm goes on at its usual speed, and the page stays up, until `stopped`.
    data
        Folder of the databases and the report; emptied first.
    stopped
        Ends it early, in order and with the figures so far.
    """
    rate = LENGTH_US / SECOND / seconds
    console.print(
        f"[bold]烽火 Fenghuo[/]  [bold white on dark_orange3] {MARK} [/]"
        f"  an exercise: {LENGTH_US // HOUR} hours of a simulated storm over Bazhong in {seconds:g} s",
        highlight=False,
        soft_wrap=True,
    )
    scenario = simulated_storm(SHIPPED, seed)
    start = scenario.worst_us[0] - LEAD_US
    before = spoken(scenario, scenario.start_us, start)
    storm = spoken(scenario, start, start + LENGTH_US)
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    clock = PacedClock(start)
    people = People()
    configuration = _configured(port or free_port(), people)
    process = EmbeddedProcess(configuration, data, people.environment, clock)
    page = process.console.url
    show_standing = _Standings(process, clock, page, len(before), len(storm))
    screen = Screen(console, show_standing.now, data / "received.txt")
    told = Told(
        clock, configuration.bundle.recipients, configuration.addresses, configuration.posts, screen.say
    )
    show_standing.told = told
    people.listen(told)
    process.start()
    try:
        people.listen_to_broker(process.mqtt_settings.port, clock, told)
        console.print(
            "公众通知在演练中自动发布 public notices are released by themselves in this exercise\n"
            "市 city · 县 county · 乡 township · 村 village    "
            "短信 SMS · 广播 loudspeaker · 接口 webhook of the city's dispatch system\n"
            f"console page  {page}\n"
            f"{len(before):,} readings of the night before: the sums and slopes get their past …",
            highlight=False,
            soft_wrap=True,
        )
        _catch_up(process, before, stopped)
        if browser and _on_a_desktop():
            webbrowser.open(page)
        with screen:
            _play(process, storm, clock, rate, show_standing, stopped)
            _settle(process, stopped)
        ledger = process.engine.ledger
        summary = summarise(ledger, len(before) + show_standing.published, clock, rate)
        show(summary, console)
        write_page(summary, ledger, configuration.posts, data / "report.html")
        console.print(
            f"what everybody received  {data / 'received.txt'}\n"
            f"report                   {data / 'report.html'}",
            highlight=False,
            soft_wrap=True,
        )
        if keep and not stopped.is_set():
            console.print(
                f"the storm goes on at its usual speed on {page}; Ctrl-C ends it\n"
                f"to act on it from another terminal: FENGHUO_TOKEN={TOKEN} .venv/bin/fenghuo alerts list --url {page}",
                highlight=False,
                soft_wrap=True,
            )
            rest = spoken(scenario, start + LENGTH_US, scenario.stop_us)
            _play(process, rest, clock, 1.0, show_standing, stopped)
            stopped.wait()
    finally:
        process.stop()
        people.stop()


class _Standings:
    """Gathers how things stand; the ledger is asked no more than once a second.

    Attributes
    ----------
    feeder
        Whose readings count, once there is one.
    """

    def __init__(
        self, process: EmbeddedProcess, clock: PacedClock, page: str, before: int, storm: int
    ) -> None:
        self._process, self._clock, self._page = process, clock, page
        self._before, self._storm = before, storm
        self._looked_s = -_LOOK_EVERY_S
        self._in_force: dict[Level, int] = {}
        self.feeder: Feeder | None = None
        self.told: Told | None = None

    @property
    def published(self) -> int:
        """Readings of the storm so far."""
        return self.feeder.published if self.feeder is not None else 0

    def now(self) -> Standing:
        """How things stand now."""
        now_us = self._clock.now_us()
        now_s = self._clock.machine_s(now_us)
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            alerts = self._process.engine.ledger.alerts_in_force(now_us)
            self._in_force = Counter(Level(a.level) for a in alerts if a.hazard != Hazard.STATION)
        return Standing(
            from_micros(now_us).astimezone(CHINA),
            self._page,
            self.published / self._storm,
            self._before + self.published,
            self._in_force,
            dict(self.told.counts) if self.told is not None else {},
        )


def _configured(console_port: int, people: People) -> Configuration:
    """The shipped place as an exercise that releases by itself and talks to receivers of its own."""
    shipped = load(SHIPPED)
    routing = shipped.policy.routing.model_copy(update={"exercise_release_by": "nobody"})
    policy = shipped.policy.model_copy(update={"routing": routing})
    bundle = shipped.bundle
    channels = shipped.settings.channels.model_copy(
        update={
            "sms": SmppSettings(host="127.0.0.1", port=people.smpp_port, system_id="fenghuo"),
            "webhook": shipped.settings.channels.webhook.model_copy(
                update={"exercise_receiver": people.webhook_url}
            ),
        }
    )
    ports = shipped.settings.ports.model_copy(update={"console": console_port, "broker": free_port()})
    brokers = shipped.settings.brokers.model_copy(update={"mqtt": None})
    settings = shipped.settings.model_copy(
        update={
            "status": Status.EXERCISE,
            "ports": ports,
            "channels": channels,
            "brokers": brokers,
            "clock": None,
        }
    )
    return replace(
        shipped,
        settings=settings,
        policy=policy,
        bundle=Bundle.of(
            areas=bundle.areas,
            stations=bundle.stations,
            recipients=bundle.recipients,
            policy=policy.model_dump(mode="json"),
            status=Status.EXERCISE,
            association_tier=bundle.association_tier,
        ),
    )


def _catch_up(process: EmbeddedProcess, before: list[Spoken], stopped: threading.Event) -> None:
    """Give the engine the night before, so that its sums and slopes have their past."""
    settled = threading.Semaphore(0)

    def settle(_settled: Settled) -> None:
        settled.release()

    bodies = list(in_arrays(before))
    for body in bodies:
        process.engine.intake.submit(Arrival(body, "demo", settle))
    for _ in bodies:
        while not settled.acquire(timeout=0.2):
            if stopped.is_set():
                return


def _play(
    process: EmbeddedProcess,
    readings: list[Spoken],
    clock: PacedClock,
    rate: float,
    standings: _Standings,
    stopped: threading.Event,
) -> None:
    """Let the stations speak, each reading when the clock comes to it; return when all have spoken."""
    ended = threading.Event()
    feeder = Feeder("127.0.0.1", process.mqtt_settings.port, readings, clock, ended.set)
    standings.feeder = feeder
    clock.pace(rate)
    feeder.start()
    while not ended.wait(0.2) and not stopped.is_set():
        pass
    # From here the clock walks: at its pace of before, every station would seem silent within a second.
    clock.pace(1.0)
    feeder.stop()


def _settle(process: EmbeddedProcess, stopped: threading.Event) -> None:
    """Wait for the last notices to arrive."""
    for _ in range(int(SETTLE_S / _LOOK_EVERY_S)):
        counts = process.engine.ledger.notice_counts()
        if not any(state in _UNDER_WAY for _, state in counts) or stopped.wait(_LOOK_EVERY_S):
            return


def _on_a_desktop() -> bool:
    """Whether a browser would open in a window; elsewhere one could take over this terminal."""
    return sys.platform in {"darwin", "win32"} or any(
        name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
