"""A console over a small ledger: the town of the alerting tests, alerts as the pipeline words them, and no engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerting.ledger import Claim, Ledger
from alerting.ledger.outbox import Settlement
from alerting.render import Places, render_alert
from console.app import create_app
from console.feed import Feed
from console.site import Health, Site
from ingest.arrival import Arrival, Settled
from runtime.page.server import ConsoleServer
from schemas.act import Act
from schemas.alert import Alert, Release, Status
from schemas.hazard import Hazard
from schemas.notice import Notice, NoticeState
from schemas.times import HOUR, MINUTE, from_micros, rfc3339
from tests.alerting import town
from tests.alerting.ledger.making import a_notice, an_alert

TOKEN = "let-me-in"
NOW = town.T0
EVIDENCE: dict[str, dict[str, Any]] = {
    Hazard.FLASH_FLOOD: {"window_h": 3, "rain_mm": 61.5, "threshold_mm": 60.0, "stations": ["R-1"]},
    Hazard.LANDSLIDE: {
        "velocity_mm_day": 169.21,
        "tangential_angle_deg": 89.7,
        "threshold_deg": 85.0,
        "failure_at": rfc3339(NOW + HOUR),
        "stations": ["LS-1"],
        "against": ["仅一种仪器"],
    },
    Hazard.STATION: {"test": "gap_test", "since": rfc3339(NOW - 3 * HOUR), "silent_s": 10800},
}


class Office:
    """The console of a test, what it was asked, and what the test makes it know."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.bundle = town.bundle(Status.EXERCISE)
        self.feed = Feed()
        self.acts: list[Act] = []
        self.refuse: str | None = None
        self.slow = False
        self.arrivals: list[Arrival] = []
        self.settled: Settled | None = Settled(1, (), ())
        self.faults: tuple[str, ...] = ()
        self.now = NOW
        self.position = 0
        outlines = folder / "outlines.geojson"
        outlines.write_text(json.dumps(_outlines()), encoding="utf-8")
        self.site = Site(
            bundle=self.bundle,
            ledger=ledger,
            feed=self.feed,
            submit=self.submit,
            act=self.act,
            receive=ledger.add_receipt,
            health=lambda: Health(not self.faults, self.faults, {"probe_age_s": 1.5}),
            now_us=lambda: self.now,
            posts={r.id: f"{self.bundle.areas[r.area].name}{r.role}" for r in self.bundle.recipients},
            outlines=outlines,
            token=TOKEN,
        )
        self.app = create_app(self.site)

    def submit(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        if self.settled is not None:
            arrival.settle(self.settled)

    def act(self, act: Act) -> Act | None:
        self.acts.append(act)
        return None if self.slow else act.judged(self.refuse)

    def settle(self, claims: Sequence[Claim], state: NoticeState) -> None:
        """Record what became of claims, as a dispatcher does."""
        self.ledger.settle([Settlement(claim, state, self.now) for claim in claims])

    def decide(
        self,
        *alerts: Alert,
        notices: tuple[Notice, ...] = (),
        releases: tuple[Release, ...] = (),
        acts: tuple[Act, ...] = (),
        told: bool = True,
    ) -> None:
        """Write as an engine does; `told`: and tell the pages, as the engine in the same process does."""
        self.position += 1
        self.ledger.write_decisions("5119", self.position, (), alerts, notices, releases, acts)
        for alert in alerts if told else ():
            self.feed.publish("alert", alert.model_dump(mode="json"))


def an_alert_of(
    hazard: Hazard = Hazard.FLASH_FLOOD, level: int = 3, area: str = town.TOWNSHIP, **more: Any
) -> Alert:
    """An alert of the town, in the words of the product."""
    evidence = {**EVIDENCE.get(hazard, {}), **more.pop("evidence", {})}
    made = an_alert(
        more.pop("chain", f"a-{hazard}-{area}"),
        hazard=hazard,
        level=level,
        area=area,
        areas=more.pop("areas", (area,)),
        issuer="南江县应急管理局",
        evidence=evidence,
        observed_at=from_micros(NOW - MINUTE),
        issued_at=from_micros(NOW),
        effective_at=from_micros(NOW),
        expires_at=from_micros(NOW + 6 * HOUR),
        headline="",
        description="",
        instruction="",
        speech="",
        **more,
    )
    bundle = town.bundle()
    return render_alert(made, Places(bundle.areas, bundle.stations), "zh")


def a_silent_station(station: str = "R-2") -> Alert:
    """An instrument that has gone silent."""
    return an_alert_of(
        Hazard.STATION,
        2,
        "511922102",
        chain=f"a-{station}",
        tiers=("county",),
        evidence={"stations": [station], "detector": "silence"},
    )


def told(chain: str, version: int = 1, recipient: str = f"{town.VILLAGE}-officer", **more: Any) -> Notice:
    """A notice of a chain of the town to one of its recipients."""
    bundle = town.bundle()
    tier = next(one.tier for one in bundle.recipients if one.id == recipient)
    words: dict[str, Any] = {
        "tier": tier,
        "first_due_at": from_micros(NOW),
        "text": "请立即转移",
        "status": "exercise",
    }
    words |= {"area": next(one.area for one in bundle.recipients if one.id == recipient)}
    words |= {"expires_at": from_micros(NOW + 6 * HOUR)}
    return a_notice((chain, version), **{**words, **more, "recipient": recipient})


def _outlines() -> dict[str, Any]:
    reach = {"city": 0.9, "county": 0.25, "township": 0.08, "village": 0.04}
    features = []
    for area in town.AREAS:
        r = reach[area.tier]
        corners = [(-r, -r), (r, -r), (r, r), (-r, r), (-r, -r)]
        ring = [[area.lon + dx, area.lat + dy] for dx, dy in corners]
        features.append(
            {
                "type": "Feature",
                "properties": {"code": area.code, "name": area.name, "tier": area.tier.value},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        )
    return {"type": "FeatureCollection", "features": features}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A console without a port."""
    with Ledger.open(str(tmp_path / "state.db")) as ledger:
        yield Office(ledger, tmp_path)


@pytest.fixture
def served(office: Office) -> Iterator[str]:
    """The address of `office` on a real port."""
    server = ConsoleServer(office.app, "127.0.0.1", 0)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def client(served: str) -> Iterator[httpx.Client]:
    """Asks the console of `office`, over its port."""
    with httpx.Client(base_url=served, trust_env=False, timeout=20) as client:
        yield client
