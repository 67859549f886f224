"""Findings, alerts and notices with everything filled in, so that a test names only what it is about."""

from __future__ import annotations

from typing import Any

from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.ids import notice_id
from schemas.notice import AlertVersion, Notice
from schemas.times import HOUR, MINUTE, Micros, from_micros

NOW: Micros = 1_783_000_000_000_000
AREA = "5119"


def a_finding(number: int = 1, level: int = 3, observed_us: Micros = NOW, **more: Any) -> Finding:
    words: dict[str, Any] = {"evidence": {"rain_mm": 61.5, "threshold_mm": 50.0, "window_h": 3}, **more}
    return make_finding(
        hazard=Hazard.RAINSTORM,
        detector="rain.signal",
        level=level,
        area="511921",
        stations=("R-1",),
        observed_us=observed_us,
        number=number,
        subject="R-1",
        **words,
    )


def an_alert(chain: str = "a-1", version: int = 1, **more: Any) -> Alert:
    words: dict[str, Any] = {
        "id": chain,
        "version": version,
        "status": "exercise",
        "type": "issue" if version == 1 else "update",
        "origin": "detector",
        "issuer": "巴中市气象台",
        "hazard": Hazard.FLASH_FLOOD,
        "level": 3,
        "previous_level": 0,
        "area": "511921100",
        "areas": ("511921100", "511921100201"),
        "tiers": ("city", "county", "township", "village"),
        "observed_at": from_micros(NOW),
        "issued_at": from_micros(NOW + version * MINUTE),
        "effective_at": from_micros(NOW),
        "expires_at": from_micros(NOW + 6 * HOUR),
        "headline": "山洪灾害橙色预警",
        "description": "过去3小时雨量61.5毫米",
        "instruction": "请立即转移",
        "speech": "山洪灾害橙色预警，请立即转移",
        "repeat": 3,
        "findings": ("f-1",),
        "evidence": {"rain_mm": 61.5},
        "position": None,
        "references": (),
        "policy": "hash",
    }
    return Alert.model_validate({**words, **more})


def a_release(chain: str = "a-1", version: int = 1, **more: Any) -> Release:
    words: dict[str, Any] = {
        "alert": chain,
        "version": version,
        "audience": "public",
        "at": from_micros(NOW),
        "by": "duty",
        "automatic": False,
    }
    return Release.model_validate({**words, **more})


def an_act(identity: str = "act-1", **more: Any) -> Act:
    words: dict[str, Any] = {
        "id": identity,
        "act": "release",
        "by": "duty",
        "at": from_micros(NOW),
        "alert": "a-1",
    }
    return Act.model_validate({**words, **more}).judged()


def a_notice(
    *chains: tuple[str, int],
    recipient: str = "p-1",
    channel: str = "sms",
    state: str = "due",
    level: int = 3,
    due_us: Micros = NOW,
    **more: Any,
) -> Notice:
    """A notice of versions of chains (``("a-1", 2), …``), by default of the first version of `a-1`."""
    named = chains or (("a-1", 1),)
    audience = more.pop("audience", "responsible")
    words: dict[str, Any] = {
        "id": notice_id([f"{chain}:{version}" for chain, version in named], recipient, channel, audience),
        "alerts": tuple(AlertVersion(id=chain, version=version) for chain, version in named),
        "audience": audience,
        "tier": "village",
        "area": "511921100201",
        "recipient": recipient,
        "channel": channel,
        "state": state,
        "first_due_at": None if state == "held" else from_micros(due_us),
        "hazard": Hazard.FLASH_FLOOD,
        "level": level,
        "status": "exercise",
        "text": "山洪灾害橙色预警",
        "expires_at": from_micros(NOW + 6 * HOUR),
    }
    return Notice.model_validate({**words, **more})
