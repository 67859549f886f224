"""Detail: all that is known of one alert, worded: its versions, texts, figures, who was told, and what was done.

Out     JSON of `GET /v1/board/{id}`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alerting.render.content import spoken_level
from console import wording, words
from console.board import GROUPS, Board
from console.site import Site
from console.words import Language
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.area import TIERS
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import Notice

LISTED = 300
"""So many notices are listed; the rest is a number."""
_AREAS = 40
_STATIONS = 12
_ACTS = 200


def detail(board: Board, site: Site, chain: str, language: Language) -> dict[str, Any] | None:
    """One chain; None where the ledger has none of that id."""
    versions = site.ledger.alert_versions(chain)
    if not versions:
        return None
    newest = versions[-1]
    notices = site.ledger.notices_of_alert(chain)
    notices.sort(key=lambda n: (n.tier.rank, -_version(n, chain), n.recipient, n.channel))
    acts = site.ledger.acts(chain, _ACTS)
    hops = site.ledger.hops_of([notice.id for notice in notices[:LISTED]])
    stations = [board.places.station(str(one)) for one in newest.evidence.get("stations", [])]
    return {
        **board.summary(newest, language),
        **_instrument(newest, language),
        "headline": newest.headline,
        "description": newest.description,
        "instruction": newest.instruction,
        "speech": newest.speech,
        "sms": next((n.text for n in reversed(notices) if n.channel == "sms" and len(n.alerts) == 1), ""),
        "ends": wording.clock(newest.expires_at),
        "issuer": newest.issuer,
        "evidence": wording.evidence(newest, language),
        "against": wording.against(newest),
        "stations": stations[:_STATIONS],
        "stations_total": len(stations),
        "by_area": [
            {"place": place, "level_words": words.level(level, language), "figures": figures}
            for place, level, figures in wording.by_area(newest, board.places, language, _AREAS)
        ],
        "versions": [_version_of(alert, language) for alert in reversed(versions)],
        "told": _told(notices, language),
        "notices": [
            {
                **_notice(notice, chain, site, board, language),
                "hops": wording.way(hops[notice.id].named(), language) if notice.id in hops else [],
            }
            for notice in notices[:LISTED]
        ],
        "notices_total": len(notices),
        "acts": _acts(acts, site.ledger.releases_of(chain), language),
    }


def _instrument(alert: Alert, language: Language) -> dict[str, Any]:
    if alert.hazard is not Hazard.STATION:
        return {}
    return {"level": "", "level_words": wording.fault(alert, language)[0]}


def _version(notice: Notice, chain: str) -> int:
    return max((named.version for named in notice.alerts if named.id == chain), default=0)


def _version_of(alert: Alert, language: Language) -> dict[str, Any]:
    level = spoken_level(alert)
    sick = alert.hazard is Hazard.STATION
    return {
        "version": alert.version,
        "level": "" if sick else Level(level).colour,
        "level_words": wording.fault(alert, language)[0] if sick else words.level(level, language),
        "over": alert.type == "cancel",
        "at": wording.clock(alert.issued_at),
        "headline": alert.headline,
        "reaches_people": alert.reaches_people,
    }


def _told(notices: Sequence[Notice], language: Language) -> list[dict[str, Any]]:
    counted = Counter((notice.tier, notice.state) for notice in notices)
    lines: list[dict[str, Any]] = []
    for tier in TIERS:
        by_group = {
            name: sum(n for (one, state), n in counted.items() if one is tier and state in states)
            for name, states in GROUPS.items()
        }
        if any(by_group.values()):
            lines.append({"tier": tier.value, "words": words.tier(tier, language), **by_group})
    return lines


def _notice(notice: Notice, chain: str, site: Site, board: Board, language: Language) -> dict[str, Any]:
    at = notice.delivered_at or notice.sent_at or notice.first_due_at
    return {
        "id": notice.id,
        "post": site.posts.get(notice.recipient, notice.recipient),
        "tier": words.tier(notice.tier, language),
        "place": board.places.full(notice.area),
        "channel": words.channel(notice.channel, language),
        "audience": words.audience(notice.audience, language),
        "version": _version(notice, chain),
        "state": words.state(notice.state, language),
        "group": next((name for name, states in GROUPS.items() if notice.state in states), ""),
        "at": wording.clock(at),
        "error": notice.error or "",
    }


def _acts(acts: Sequence[Act], releases: Sequence[Release], language: Language) -> list[dict[str, Any]]:
    lines: list[tuple[datetime, dict[str, Any]]] = [
        (
            act.at,
            {
                "by": words.actor(act.by, language),
                "what": words.act(act.act, language),
                "reason": act.refused_because or act.reason,
                "refused": act.outcome == "refused",
            },
        )
        for act in acts
    ]
    lines += [
        (
            release.at,
            {
                "by": words.actor(release.by, language),
                "what": f"{words.act('release', language)} · {words.audience(release.audience, language)}",
                "reason": "",
                "refused": False,
            },
        )
        for release in releases
        if release.audience == "public"  # persons in charge are told of every version that reaches people
    ]
    lines.sort(key=lambda line: line[0], reverse=True)
    return [{"at": wording.clock(at), **line} for at, line in lines]
