"""The demonstration in one process, from beginning to end."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import webbrowser
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from alerting.channels.smpp import SmppSettings
from ingest.arrival import Arrival, Settled
from runtime.configuration.loading import Configuration, load
from runtime.configuration.shipped import SHIPPED
from runtime.demo.feeder import Feeder, Spoken, in_arrays
from runtime.demo.pace import PacedClock
from runtime.demo.people import TOKEN, People, free_port
from runtime.demo.play import Standings, Storm, explain, introduce, settle, sum_up
from runtime.demo.screen import Screen
from runtime.demo.told import Told
from runtime.process import EmbeddedProcess
from schemas.alert import Status
from schemas.bundle import Bundle


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
    storm = Storm.simulated(seed)
    rate = storm.rate(seconds)
    introduce(console, storm, seconds)
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    clock = PacedClock(storm.start_us)
    people = People()
    configuration = _configured(port or free_port(), people)
    process = EmbeddedProcess(configuration, data, people.environment, clock)
    ledger, page = process.engine.ledger, process.console.url
    standings = Standings(ledger, clock, page, storm)
    screen = Screen(console, standings.now, data / "received.txt")
    told = Told(
        clock, configuration.bundle.recipients, configuration.addresses, configuration.posts, screen.say
    )
    standings.told = told
    people.listen(told)
    process.start()
    try:
        people.listen_to_broker(process.mqtt_settings.port, clock, told)
        explain(console, page)
        console.print(
            f"{len(storm.before):,} readings of the night before: the sums and slopes get their past …",
            highlight=False,
            soft_wrap=True,
        )
        _catch_up(process, storm.before, stopped)
        if browser and _on_a_desktop():
            webbrowser.open(page)
        with screen:
            _play(process, storm.shown, clock, rate, standings, stopped)
            settle(ledger, stopped)
        sum_up(console, ledger, configuration, standings.readings, clock, data)
        if keep and not stopped.is_set():
            console.print(
                f"the storm goes on at its usual speed on {page}; Ctrl-C ends it\n"
                f"to act on it from another terminal: FENGHUO_TOKEN={TOKEN} .venv/bin/fenghuo alerts list --url {page}",
                highlight=False,
                soft_wrap=True,
            )
            _play(process, storm.rest(), clock, 1.0, standings, stopped)
            stopped.wait()
    finally:
        process.stop()
        people.stop()


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
    standings: Standings,
    stopped: threading.Event,
) -> None:
    """Let the stations speak, each reading when the clock comes to it; return when all have spoken."""
    feeder = standings.feeder = Feeder("127.0.0.1", process.mqtt_settings.port, readings, clock)
    clock.pace(rate)
    feeder.start()
    feeder.wait(stopped)
    # From here the clock walks: at its pace of before, every station would seem silent within a second.
    clock.pace(1.0)
    feeder.stop()


def _on_a_desktop() -> bool:
    """Whether a browser would open in a window; elsewhere one could take over this terminal."""
    return sys.platform in {"darwin", "win32"} or any(
        name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
