"""Acts: what people ask of a chain, judged at the act's place in the log.

In      acts: `issue`, `update`, `cancel`, `acknowledge`, `answer`, `silence`
Out     the act with its outcome, and the version that it makes
Source  EXACT, rules 8 and 12
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alerting.lifecycle.chain import BY_HAND, Chain, Mute, Standing, Words, standing_name
from schemas.act import Act
from schemas.alert import Alert, Origin
from schemas.hazard import Hazard
from schemas.ids import chain_id
from schemas.times import Micros, Time, to_micros

if TYPE_CHECKING:
    from alerting.lifecycle.stage import Lifecycle

Judge = Callable[["Lifecycle", Act, Micros], tuple[Act, list[Alert]]]
_STANDING = standing_name(BY_HAND, "")


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    headline: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=4000)] = ""
    instruction: Annotated[str, Field(max_length=4000)] = ""
    areas: tuple[str, ...] = ()
    expires_at: Time | None = None
    evidence: dict[str, Any] = {}
    position: tuple[float, float] | None = None


class IssueContent(_Content):
    """Content of an `issue`: a warning by hand, or a department's own (`origin: department`)."""

    hazard: Hazard
    level: Annotated[int, Field(ge=1, le=4)]
    area: str
    origin: Literal[Origin.MANUAL, Origin.DEPARTMENT] = Origin.MANUAL
    issuer: Annotated[str, Field(max_length=100)] = ""


class UpdateContent(_Content):
    """Content of an `update`: what is given replaces what was said."""

    level: Annotated[int, Field(ge=0, le=4)] | None = None


class SilenceContent(BaseModel):
    """Content of a `silence`: whose faults are not to reach people, and until when."""

    model_config = ConfigDict(extra="forbid")

    station: str
    until: Time


class Refused(Exception):
    """The act is not done; the message says why, to the person who asked."""


def judge(lifecycle: Lifecycle, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
    """Judge one act.

    Parameters
    ----------
    lifecycle
        Whose chains the act is about; changed where the act is done.
    act
        Without an outcome.
    now
        Log time, microseconds.

    Returns
    -------
    tuple[Act, list[Alert]]
        The act with its outcome, and the version that it made, if any.
    """
    judges: Mapping[str, Judge] = {
        "issue": _issue,
        "update": _update,
        "cancel": _cancel,
        "acknowledge": _acknowledge,
        "answer": _acknowledge,
        "silence": _silence,
    }
    try:
        if act.act not in judges:
            raise Refused(f"{act.act} is not an act of the lifecycle")
        judged, alerts = judges[act.act](lifecycle, act, now)
    except Refused as refused:
        return act.judged(str(refused)), []
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        return act.judged(f"content.{field}: {fault['msg']}" if field else f"content: {fault['msg']}"), []
    return judged.judged(), alerts


def _issue(lifecycle: Lifecycle, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
    content = IssueContent.model_validate(act.content)
    if content.hazard is Hazard.STATION:
        raise Refused("a fault of a station is not issued by hand")
    status = lifecycle.bundle.status
    own = act.id if content.origin is Origin.DEPARTMENT else ""
    key = (content.hazard, content.area, content.origin, status, own)
    opened = chain_id(content.hazard, content.area, content.origin, status, act.id)
    if opened in lifecycle.chains:
        return act.model_copy(update={"alert": opened, "version": 1}), []
    other = lifecycle.newest(key)
    if other is not None and other.in_force:
        raise Refused(f"warning {other.id} by hand for the same hazard and area is in force: update that one")
    _known(lifecycle, (content.area, *content.areas))
    chain = Chain(
        id=opened,
        key=key,
        hazard=content.hazard,
        area=content.area,
        origin=content.origin,
        status=status,
        issuer=content.issuer or lifecycle.versions.issuer(content.hazard, content.area),
        opened_by=act.by,
        nth=0 if other is None else other.nth + 1,
        observed_us=now,
        ends_us=_ends_us(content, now, now + lifecycle.policy.expires_us(content.hazard)),
    )
    _say_by_hand(chain, act, content, content.level, now)
    lifecycle.add(chain)
    alert = lifecycle.version(chain, now, type="issue", reaches_people=True)
    return act.model_copy(update={"alert": chain.id, "version": 1}), [alert]


def _update(lifecycle: Lifecycle, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
    chain = _in_force(lifecycle, act)
    if act.id in chain.acts:
        return act, []
    _not_stale(chain, act)
    content = UpdateContent.model_validate(act.content)
    _known(lifecycle, content.areas)
    if content.expires_at is not None and chain.origin is Origin.DETECTOR:
        raise Refused("what sensors hold up does not end by the clock: cancel it")
    level = _level_by_hand(chain, content)
    if chain.ends_us is not None:
        chain.ends_us = _ends_us(content, now, chain.ends_us)
    chain.acts = [*chain.acts, act.id]
    _say_by_hand(chain, act, content, level, now)
    return act, [lifecycle.version(chain, now, type="update", reaches_people=True)]


def _level_by_hand(chain: Chain, content: UpdateContent) -> int:
    """The level that a person now holds the chain at."""
    by_hand = chain.standing.get(_STANDING)
    if content.level is None:
        return by_hand.level if by_hand else 0
    sensors = max((s.counts for s in chain.holders() if s.detector != BY_HAND), default=0)
    if content.level < sensors:
        raise Refused("sensors hold the level higher: only fresh good readings lower it, or a cancel ends it")
    if content.level == 0:
        raise Refused("an update to no level is a cancel")
    return content.level


def _cancel(lifecycle: Lifecycle, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
    chain = _known_chain(lifecycle, act)
    if act.id in chain.acts:
        return act, []
    if not chain.in_force:
        raise Refused("the alert is already cancelled")
    if chain.origin is Origin.DEPARTMENT and act.by != chain.opened_by:
        raise Refused(f"only {chain.opened_by}, who sent this warning, changes it")
    _not_stale(chain, act)
    silent = lifecycle.missing_us(chain) is not None
    needed = lifecycle.policy.cancel_silent_by if silent else lifecycle.policy.cancel_by
    if act.by in chain.approvals:
        raise Refused(f"{act.by} asked for this cancel already: a second person is needed")
    chain.acts = [*chain.acts, act.id]
    chain.approvals = [*chain.approvals, act.by]
    lifecycle.touch(chain)
    if len(chain.approvals) < needed:
        waits = {**act.content, "still_needed": needed - len(chain.approvals)}
        return act.model_copy(update={"content": waits}), []
    return act, [lifecycle.end(chain, now)]


def _acknowledge(lifecycle: Lifecycle, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
    chain = _known_chain(lifecycle, act)
    if act.version is not None and act.version > chain.version:
        raise Refused(f"the alert has no version {act.version}")
    return act, []


def _silence(lifecycle: Lifecycle, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
    content = SilenceContent.model_validate(act.content)
    if content.station not in lifecycle.bundle.stations.row_of:
        raise Refused(f"there is no station {content.station}")
    until_us = to_micros(content.until)
    if until_us <= now:
        raise Refused("the silence would be over already")
    lifecycle.mute(content.station, Mute(until_us, act.by))
    return act, []


def _say_by_hand(chain: Chain, act: Act, content: _Content, level: int, now: Micros) -> None:
    words = chain.words
    chain.words = Words(
        headline=content.headline or words.headline,
        description=content.description or words.description,
        instruction=content.instruction or words.instruction,
    )
    chain.areas = tuple(dict.fromkeys((*chain.areas, *content.areas)))
    if level:
        before = chain.standing.get(_STANDING)
        chain.standing[_STANDING] = Standing(
            detector=BY_HAND,
            subject="",
            level=level,
            observed_us=now,
            finding=act.id,
            area=chain.area,
            stations=(),
            evidence=content.evidence or (before.evidence if before else {}),
            against=(),
            position=content.position or (before.position if before else None),
        )


def _ends_us(content: _Content, now: Micros, otherwise: Micros) -> Micros:
    if content.expires_at is None:
        return otherwise
    ends_us = to_micros(content.expires_at)
    if ends_us <= now:
        raise Refused("the warning would be over already: expires_at lies in the past")
    return ends_us


def _known(lifecycle: Lifecycle, areas: tuple[str, ...]) -> None:
    unknown = [code for code in areas if code not in lifecycle.bundle.areas]
    if unknown:
        raise Refused(f"there is no area {unknown[0]}")


def _known_chain(lifecycle: Lifecycle, act: Act) -> Chain:
    chain = lifecycle.chains.get(act.alert or "")
    if chain is None:
        raise Refused(f"there is no alert {act.alert}" if act.alert else "the act names no alert")
    return chain


def _in_force(lifecycle: Lifecycle, act: Act) -> Chain:
    chain = _known_chain(lifecycle, act)
    if not chain.in_force:
        raise Refused("the alert is already cancelled")
    if chain.origin is Origin.DEPARTMENT and act.by != chain.opened_by:
        raise Refused(f"only {chain.opened_by}, who sent this warning, changes it")
    return chain


def _not_stale(chain: Chain, act: Act) -> None:
    if act.version is None:
        raise Refused("the act does not name the version that was seen")
    if act.version > chain.version:
        raise Refused(f"the alert has no version {act.version}")
    if act.version < chain.said_version:
        raise Refused(f"version {act.version} is stale: the alert is at version {chain.version}")
