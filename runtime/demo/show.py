"""The demonstration from beginning to end."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from alerting.channels.smpp import SmppSettings
from alerting.channels.webhook import SECRET_VARIABLE
from ingest.arrival import Arrival, Settled
from runtime.clock import SetClock
from runtime.configuration.loading import Configuration, load
from runtime.demo.feeder import Feeder, Spoken, in_arrays, simulated_storm, spoken
from runtime.demo.summary import show, summarise, write_page
from runtime.demo.told import Told
from runtime.dispatching import SMPP_PASSWORD_VARIABLE
from runtime.process import EmbeddedProcess
from runtime.receivers.loudspeaker import Loudspeakers
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from schemas.alert import Status
from schemas.bundle import Bundle
from schemas.times import HOUR, MINUTE

PLACE = Path(__file__).resolve().parents[2] / "deploy" / "bazhong"
LEAD_US = 40 * MINUTE
"""How long before its worst hours the demo joins the storm."""
LENGTH_US = 4 * HOUR
"""How much of the storm it shows."""
SETTLE_S = 6.0
"""How long the last notices get to arrive."""


def demonstrate(
    screen: Console,
    *,
    seconds: float,
    seed: int,
    port: int | None,
    browser: bool,
    keep: Callable[[], object] | None,
    data: Path,
) -> None:
    """Play the storm, print what everybody received, and sum it up.

    Parameters
    ----------
    seconds
        How long the storm takes, in the machine's seconds.
    port
        Of the console; None for any that is free.
    keep
        Waits before the console is closed; None to end at once.
    data
        Folder of the databases and the report; emptied first.
    """
    screen.print("[bold]烽火 Fenghuo[/]  演练 · 模拟数据 (an exercise on simulated data)", highlight=False)
    scenario = simulated_storm(PLACE, seed)
    start = scenario.worst_us[0] - LEAD_US
    before = spoken(scenario, scenario.start_us, start)
    storm = spoken(scenario, start, start + LENGTH_US)
    rate = LENGTH_US / 1e6 / seconds
    shutil.rmtree(data, ignore_errors=True)
    smpp_port, webhook_port, secret = _free_port(), _free_port(), secrets.token_hex(16)
    configuration = _configured(port or _free_port(), smpp_port, f"http://127.0.0.1:{webhook_port}/notices")
    clock = SetClock(start, rate)
    told = Told(screen, clock, configuration.addresses, configuration.posts)
    receiver = WebhookReceiver(secret, webhook_port, told.webhook)
    environment = {SMPP_PASSWORD_VARIABLE: "demo", SECRET_VARIABLE: secret}
    process = EmbeddedProcess(configuration, data, environment, clock)
    phones = _Phones(smpp_port, told)
    loudspeakers = Loudspeakers("127.0.0.1", process.mqtt_settings.port, clock.now_us, on_played=told.played)
    phones.start()
    receiver.start()
    process.start()
    loudspeakers.start()
    screen.print(
        f"console {process.console.url}   公众通知在演练中自动发布 (public notices are released by themselves)",
        highlight=False,
    )
    if browser:
        webbrowser.open(process.console.url)
    _catch_up(process, before)
    ended = threading.Event()
    feeder = Feeder("127.0.0.1", process.mqtt_settings.port, storm, clock, ended.set)
    feeder.start()
    try:
        ended.wait(seconds * 1.5 + 30)
        ended.clear()
        ended.wait(SETTLE_S)
    finally:
        feeder.stop()
        summary = summarise(process.engine.ledger, len(before) + len(storm), rate)
        show(summary, screen)
        write_page(summary, process.engine.ledger, data / "report.html")
        screen.print(f"report {data / 'report.html'}", highlight=False)
        if keep is not None:
            screen.print(f"console stays up at {process.console.url}; Ctrl-C ends it", highlight=False)
            keep()
        process.stop()
        loudspeakers.stop()
        receiver.stop()
        phones.stop()


def _configured(console_port: int, smpp_port: int, webhook: str) -> Configuration:
    """The shipped place as an exercise that releases by itself and talks to receivers of its own."""
    shipped = load(PLACE)
    routing = shipped.policy.routing.model_copy(update={"exercise_release_by": "nobody"})
    policy = shipped.policy.model_copy(update={"routing": routing})
    bundle = shipped.bundle
    channels = shipped.settings.channels.model_copy(
        update={
            "sms": SmppSettings(host="127.0.0.1", port=smpp_port, system_id="fenghuo"),
            "webhook": shipped.settings.channels.webhook.model_copy(update={"exercise_receiver": webhook}),
        }
    )
    ports = shipped.settings.ports.model_copy(update={"console": console_port, "broker": _free_port()})
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


def _catch_up(process: EmbeddedProcess, before: list[Spoken]) -> None:
    """Give the engine the night before, so that its sums and slopes have their past."""
    settled = threading.Semaphore(0)

    def settle(_settled: Settled) -> None:
        settled.release()

    bodies = list(in_arrays(before))
    for body in bodies:
        process.engine.intake.submit(Arrival(body, "demo", settle))
    for _ in bodies:
        settled.acquire()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Phones:
    """The demo's message centre in a thread of its own."""

    def __init__(self, port: int, told: Told) -> None:
        self._port, self._told = port, told
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="phones", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        centre = MessageCentre(self._port, self._told.sms)
        stopping = asyncio.Event()
        self._stop = lambda: self._loop.call_soon_threadsafe(stopping.set)
        await centre.start()
        self._ready.set()
        await stopping.wait()
        await centre.stop()
