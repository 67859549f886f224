"""Write down who is told: posts and devices of all four tiers, with addresses that cannot be dialled.

In      placed areas
Out     recipients.csv rows

An address is `example-` and the area's code (with `-1`, `-2` … where one area has several posts): never a telephone
number, and at most 20 characters, which is what an SMPP destination holds. SMS and voice refuse it unless their
server is on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.bazhong.build.areas import PlacedArea

DISPATCH_SYSTEM = "https://dispatch.example/fenghuo"


@dataclass(frozen=True)
class PlacedRecipient:
    """One row of recipients.csv."""

    id: str
    post: str
    area: str
    tier: str
    role: str
    channels: str


def recipients(areas: Sequence[PlacedArea]) -> Iterator[PlacedRecipient]:
    """Yield the recipients of every area, from the city down."""
    for area in areas:
        yield from _OF_TIER[area.tier](area)


def _city(city: PlacedArea) -> Iterator[PlacedRecipient]:
    yield _post(city, "duty", f"{city.name}应急指挥中心值班室", "duty", {"sms": _phone(city, 1)})
    yield _post(city, "dispatch", f"{city.name}应急指挥调度系统", "duty", {"webhook": DISPATCH_SYSTEM})
    yield _post(city, "maintenance", f"{city.name}监测设备运维组", "maintenance", {"sms": _phone(city, 2)})


def _county(county: PlacedArea) -> Iterator[PlacedRecipient]:
    yield _post(county, "duty", f"{county.name}应急指挥中心值班室", "duty", {"sms": _phone(county, 1)})
    yield _post(
        county, "maintenance", f"{county.name}监测设备运维组", "maintenance", {"sms": _phone(county, 2)}
    )


def _township(township: PlacedArea) -> Iterator[PlacedRecipient]:
    yield _post(township, "duty", f"{township.name}值班室", "duty", {"sms": _phone(township, 1)})
    yield _post(
        township, "officer", f"{township.name}灾害信息员", "responsible", {"sms": _phone(township, 2)}
    )


def _village(village: PlacedArea) -> Iterator[PlacedRecipient]:
    yield _post(
        village, "officer", f"{village.name}灾害信息员", "responsible", {"sms": f"example-{village.code}"}
    )
    loudspeaker = {"broadcast": f"example-{village.code}"}
    yield _post(village, "loudspeaker", f"{village.name}大喇叭", "public", loudspeaker)


_OF_TIER = {"city": _city, "county": _county, "township": _township, "village": _village}


def _phone(area: PlacedArea, nth: int) -> str:
    return f"example-{area.code}-{nth}"


def _post(area: PlacedArea, name: str, post: str, role: str, channels: dict[str, str]) -> PlacedRecipient:
    addresses = json.dumps(channels, separators=(",", ":"))
    return PlacedRecipient(f"{area.code}-{name}", post, area.code, area.tier, role, addresses)
