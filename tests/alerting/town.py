"""A small place for the tests of the alerting core: two counties, posts of all tiers, findings and a driver."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from alerting.lifecycle import Lifecycle, LifecyclePolicy
from alerting.routing import Routing, RoutingPolicy
from schemas.act import Act
from schemas.alert import Alert, Release, Status
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.notice import Notice, NoticeState
from schemas.recipient import Recipient
from schemas.station import Station
from schemas.times import Micros, from_micros, to_micros

T0: Micros = to_micros(datetime(2026, 7, 18, 6, 0, tzinfo=UTC))
"""14:00 in China."""

CITY, COUNTY, OTHER_COUNTY = "5119", "511922", "511921"
TOWNSHIP, VILLAGE, NEXT_VILLAGE = "511922101", "511922101001", "511922101002"
OTHER_TOWNSHIP, OTHER_VILLAGE = "511921102", "511921102001"
AREAS = (
    Area(CITY, "巴中市", Tier.CITY, None, 106.75, 31.86),
    Area(COUNTY, "南江县", Tier.COUNTY, CITY, 106.84, 32.35),
    Area(OTHER_COUNTY, "通江县", Tier.COUNTY, CITY, 107.25, 31.91),
    Area(TOWNSHIP, "光雾山镇", Tier.TOWNSHIP, COUNTY, 106.8, 32.5),
    Area("511922102", "关坝镇", Tier.TOWNSHIP, COUNTY, 106.9, 32.4),
    Area(OTHER_TOWNSHIP, "诺水河镇", Tier.TOWNSHIP, OTHER_COUNTY, 107.2, 32.3),
    Area(VILLAGE, "铁炉坝村", Tier.VILLAGE, TOWNSHIP, 106.81, 32.51),
    Area(NEXT_VILLAGE, "焦家河村", Tier.VILLAGE, TOWNSHIP, 106.82, 32.52),
    Area(OTHER_VILLAGE, "临江村", Tier.VILLAGE, OTHER_TOWNSHIP, 107.21, 32.31),
)
STATIONS = (
    Station("R-1", "rain", "铁炉坝雨量站", 106.81, 32.51, 900.0, VILLAGE),
    Station("R-2", "rain", "关坝雨量站", 106.9, 32.4, 700.0, "511922102"),
    Station("LS-1", "landslide", "铁炉坝滑坡点", 106.81, 32.51, 900.0, VILLAGE, (NEXT_VILLAGE,)),
    Station("LS-2", "landslide", "临江滑坡点", 107.21, 32.31, 600.0, OTHER_VILLAGE),
    Station("FC-1", "camera", "光雾山瞭望台", 106.8, 32.5, 1500.0, TOWNSHIP, ("511922102", OTHER_TOWNSHIP)),
    Station("S-1", "seismic", "南江台", 106.84, 32.35, 600.0, COUNTY),
)


def _recipients() -> list[Recipient]:
    found = []
    for area in AREAS:
        if area.tier is Tier.VILLAGE:
            found.append(
                Recipient(f"{area.code}-officer", area.code, area.tier, "responsible", ("sms", "webhook"))
            )
            found.append(
                Recipient(f"{area.code}-loudspeaker", area.code, area.tier, "public", ("broadcast",))
            )
        else:
            found.append(Recipient(f"{area.code}-duty", area.code, area.tier, "duty", ("sms",)))
        if area.tier in (Tier.CITY, Tier.COUNTY):
            found.append(Recipient(f"{area.code}-maintenance", area.code, area.tier, "maintenance", ("sms",)))
    return found


def bundle(status: Status = Status.ACTUAL, **changes: Any) -> Bundle:
    """The place's configuration."""
    content: dict[str, Any] = {
        "areas": AREAS,
        "stations": STATIONS,
        "recipients": _recipients(),
        "policy": {},
        "status": status,
    }
    return Bundle.of(**(content | changes))


def finding(
    level: int,
    at: Micros = T0,
    *,
    hazard: Hazard = Hazard.LANDSLIDE,
    station: str = "LS-1",
    subject: str | None = None,
    area: str = VILLAGE,
    detector: str = "landslide.velocity",
    number: int = 1,
    evidence: Mapping[str, Any] | None = None,
) -> Finding:
    """A finding about a station."""
    return make_finding(
        hazard=hazard,
        detector=detector,
        level=level,
        area=area,
        stations=(station,),
        observed_us=at,
        evidence=dict(evidence or {}),
        number=number,
        subject=subject or station,
    )


def rain(
    level: int, at: Micros = T0, *, station: str = "R-1", area: str = VILLAGE, number: int = 1
) -> Finding:
    """A rainstorm finding of a gauge."""
    evidence = {"window_h": 3, "rain_mm": 53.5, "threshold_mm": 50.0}
    return finding(
        level,
        at,
        hazard=Hazard.RAINSTORM,
        station=station,
        area=area,
        detector="rain.signal",
        number=number,
        evidence=evidence,
    )


def flood(level: int, at: Micros = T0, *, area: str = TOWNSHIP, number: int = 1) -> Finding:
    """A flash-flood finding of a township."""
    evidence = {"window_h": 1, "rain_mm": 52.0, "threshold_mm": 45.0}
    return finding(
        level,
        at,
        hazard=Hazard.FLASH_FLOOD,
        station="R-1",
        subject=area,
        area=area,
        detector="rain.flash_flood",
        number=number,
        evidence=evidence,
    )


def silence(
    level: int, at: Micros = T0, *, station: str = "LS-1", area: str = VILLAGE, number: int = 1
) -> Finding:
    """A station falls silent (2) or speaks again (0)."""
    evidence = {"test": "silence", "flag": 9, "since": from_micros(at).isoformat()}
    return finding(
        level,
        at,
        hazard=Hazard.STATION,
        station=station,
        area=area,
        detector="silence",
        number=number,
        evidence=evidence,
    )


def act(name: Any, id_: str = "act-1", *, by: str = "王值班", at: Micros = T0, **fields: Any) -> Act:
    """An act of a person."""
    return Act(id=id_, act=name, by=by, at=from_micros(at), **fields)


def why(judged: Act) -> str:
    """Why an act was refused; empty where it was done."""
    assert (judged.outcome == "refused") == (judged.refused_because is not None)
    return judged.refused_because or ""


class Core:
    """Lifecycle and routing in the order in which the pipeline drives them."""

    def __init__(
        self,
        lifecycle: LifecyclePolicy | None = None,
        routing: RoutingPolicy | None = None,
        configuration: Bundle | None = None,
    ) -> None:
        configuration = configuration or bundle()
        self.lifecycle = Lifecycle(lifecycle or LifecyclePolicy(), configuration)
        self.routing = Routing(routing or RoutingPolicy(), configuration)
        self.alerts: list[Alert] = []
        self.notices: list[Notice] = []
        self.releases: list[Release] = []
        self.acts: list[Act] = []

    def find(self, found: Finding, now: Micros | None = None) -> list[Alert]:
        """A finding at log time `now`, or when it was observed."""
        now = found.observed_us if now is None else now
        self.until(now)
        return self._route(self.lifecycle.process(found, now), now)

    def do(self, done: Act, now: Micros | None = None) -> Act:
        """An act; returns it judged."""
        now = to_micros(done.at) if now is None else now
        self.until(now)
        judged, said = self.routing.act(done, now)
        self._keep(said)
        if judged is None:
            judged, alerts = self.lifecycle.act(done, now)
            self._route(alerts, now)
        self.acts.append(judged)
        return judged

    def until(self, now: Micros) -> None:
        """Every due up to `now`, earliest first, the lifecycle before the routing."""
        while True:
            dues = [due for stage in (self.lifecycle, self.routing) if (due := stage.next_due()) is not None]
            due = min(dues, default=None)
            if due is None or due > now:
                return
            if self.lifecycle.next_due() == due:
                self._route(self.lifecycle.tick(due), due)
            else:
                self._keep(self.routing.tick(due))

    def _route(self, alerts: list[Alert], now: Micros) -> list[Alert]:
        for alert in alerts:
            self.alerts.append(alert)
            self._keep(self.routing.process(alert, now))
        return alerts

    def _keep(self, said: list[Notice | Release]) -> None:
        for one in said:
            if isinstance(one, Notice):
                self.notices.append(one)
            else:
                self.releases.append(one)

    def due(self, recipient: str | None = None) -> list[Notice]:
        """Notices that came due, of one recipient or of all."""
        return [
            notice
            for notice in self.notices
            if notice.state is NoticeState.DUE and recipient in (None, notice.recipient)
        ]

    def held(self) -> list[Notice]:
        """Notices that came to be held."""
        return [notice for notice in self.notices if notice.state is NoticeState.HELD]
