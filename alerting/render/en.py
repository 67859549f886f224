"""English texts, by the setting `language: en`; the same order as the Chinese ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerting.render import guidance
from alerting.render.content import HEADLINE_CHARACTERS, OLD, Deed, deed, groups_of, measured, spoken_level
from alerting.render.moments import minute_en, moment_of, number, second_en
from alerting.render.places import Places
from alerting.render.quake import counties_of, table_of
from schemas.alert import Alert, Origin, Status
from schemas.hazard import Hazard
from schemas.level import Level

_VERBS = {Deed.ISSUE: "issues", Deed.CHANGE: "changes to", Deed.EXTEND: "extends", Deed.END: "ends"}
_MARK = {Status.EXERCISE: "EXERCISE", Status.TEST: "TEST"}
_NAMES = {
    Hazard.RAINSTORM: "rainstorm",
    Hazard.FLASH_FLOOD: "flash flood",
    Hazard.FLOOD: "flood",
    Hazard.LANDSLIDE: "landslide",
    Hazard.DEBRIS_FLOW: "debris flow",
    Hazard.EARTHQUAKE: "earthquake",
    Hazard.FOREST_FIRE: "forest fire",
    Hazard.FIRE_DANGER: "fire danger",
    Hazard.STATION: "instrument",
}
_UNSPEAKABLE = str.maketrans("()[]:;", "," * 6)
_FIGURES: Sequence[tuple[str, str]] = (
    ("velocity_mm_day", "moving {} mm/day"),
    ("tangential_angle_deg", "tangential angle {} degrees"),
    ("displacement_mm", "displacement {} mm"),
    ("crack_mm", "crack {} mm"),
    ("water_level_m", "water level {} m"),
    ("max_temperature_c", "up to {} degrees C"),
)


def mark(status: Status) -> str:
    """EXERCISE, SIMULATED DATA; empty where it is real."""
    word = _MARK.get(status)
    return f"{word}, SIMULATED DATA" if word else ""


def verb(alert: Alert) -> str:
    """What this version does."""
    return _VERBS[deed(alert)]


def named(hazard: Hazard, level: int) -> str:
    """Orange rainstorm warning (grade II)."""
    grade = Level(level)
    return f"{grade.colour} {_NAMES[hazard]} warning (grade {grade.grade})"


def fault(alert: Alert, places: Places) -> str:
    """Instrument silent: name (id)."""
    if alert.type == "cancel":
        word = "well again"
    else:
        word = "silent" if alert.evidence.get("detector") == "silence" else "faulty"
    stations = [f"{places.station(s)} ({s})" for s in alert.evidence.get("stations", [])]
    return f"instrument {word}" + (f": {', '.join(stations)}" if stations else "")


def clause(alert: Alert, places: Places, at: datetime) -> str:
    """Issuer, time, verb and what."""
    if alert.hazard is Hazard.STATION:
        return f"{minute_en(at)} {fault(alert, places)}"
    return f"{alert.issuer} {minute_en(at)} {verb(alert)} {named(alert.hazard, spoken_level(alert))}"


def headline(alert: Alert, places: Places) -> str:
    """At most 40 characters: mark, what, place."""
    sign = f"[{_MARK[alert.status]}] " if alert.status in _MARK else ""
    if alert.hazard is Hazard.STATION:
        return (sign + fault(alert, places))[:HEADLINE_CHARACTERS]
    end = "End of " if alert.type == "cancel" else ""
    what = f"{end}{Level(spoken_level(alert)).colour} {_NAMES[alert.hazard]}"
    where = places.full(alert.area)
    text = f"{sign}{what}, {where}"
    return text if len(text) <= HEADLINE_CHARACTERS else f"{sign}{what}"[:HEADLINE_CHARACTERS]


def figures(alert: Alert, places: Places, at: datetime) -> str:
    """Area and what was measured, without a full stop."""
    evidence = alert.evidence
    parts = [places.full(alert.area)]
    if alert.hazard is Hazard.EARTHQUAKE:
        seen = [evidence.get("intensity_area") or alert.area] if not table_of(alert) else [alert.area]
        return ", ".join([*(places.full(code) for code in seen), *_quake(alert, places, at)])
    if "rain_mm" in evidence:
        window = f" in {number(evidence['window_h'])} h" if "window_h" in evidence else ""
        limit = f" (threshold {number(evidence['threshold_mm'])})" if "threshold_mm" in evidence else ""
        parts.append(f"{number(evidence['rain_mm'])} mm{window}{limit}")
    parts += measured(evidence, _FIGURES)
    failure = moment_of(evidence.get("failure_at"))
    if failure:
        parts.append(f"failure expected about {minute_en(failure)}")
    return ", ".join(parts)


def _quake(alert: Alert, places: Places, at: datetime) -> list[str]:
    evidence = alert.evidence
    parts = []
    if isinstance(evidence.get("magnitude"), int | float):
        parts.append(f"magnitude about {number(evidence['magnitude'])}")
    table, counties = table_of(alert), counties_of(alert, places)
    for name, line in [(f"{places.own(c)} ", table[c]) for c in counties] or [("", evidence)]:
        if isinstance(line.get("intensity"), int | float):
            parts.append(f"{name}intensity {int(line['intensity'] + 0.5)}")
        parts += _arrival(line, at)
    return parts


def _arrival(evidence: Mapping[str, Any], at: datetime) -> list[str]:
    """The countdown to the shaking; no number once it is there."""
    arrival = moment_of(evidence.get("s_arrival_at"))
    if arrival is None:
        return []
    left_s = round((arrival - at).total_seconds())
    return [f"shaking in about {left_s} s ({second_en(arrival)})" if left_s > 0 else "shaking has arrived"]


def description(alert: Alert, places: Places) -> str:
    """The whole text but for the guidance."""
    sign = mark(alert.status)
    opening = (f"[{sign}] " if sign else "") + clause(alert, places, alert.issued_at)
    if alert.hazard is Hazard.STATION:
        since = moment_of(alert.evidence.get("since"))
        tail = f", since {minute_en(since)}" if since and alert.type != "cancel" else ""
        return f"{opening}{tail}."
    if alert.type == "cancel":
        return f"{opening}: {places.full(alert.area)}."
    sentences = [f"{opening}, until {minute_en(alert.expires_at)}: {figures(alert, places, alert.issued_at)}"]
    if alert.issued_at - alert.observed_at >= OLD:
        sentences.append(f"Observed until {minute_en(alert.observed_at)}")
    if alert.missing_since:
        sentences.append(
            f"No valid data since {minute_en(alert.missing_since)}; the level stays. Duty officer, please check"
        )
    sentences.append(source(alert, places))
    return ". ".join(sentences) + "."


def written(alert: Alert, places: Places) -> str:
    """Place and description where a person wrote one (a rendered one is left out before); else empty."""
    return f"{places.full(alert.area)}. {alert.description}" if alert.description else ""


def source(alert: Alert, places: Places) -> str:
    """Where it comes from."""
    if alert.origin is not Origin.DETECTOR:
        return f"Source: {alert.issuer}"
    stations = [places.station(station) for station in alert.evidence.get("stations", [])]
    more = f" and {len(stations) - 3} more" if len(stations) > 3 else ""
    return f"Source: {', '.join(stations[:3])}{more}" if stations else "Source: automatic monitoring"


def instruction(alert: Alert) -> str:
    """What to do."""
    if alert.type == "cancel":
        return guidance.MENDED_EN if alert.hazard is Hazard.STATION else guidance.CANCEL_EN
    return guidance.EN[alert.hazard][alert.level - 1]


def instruction_of(alert: Alert) -> str:
    """The alert's own instruction, which a person may have written."""
    return alert.instruction or instruction(alert)


def speech(alert: Alert, places: Places, at: datetime, automatic: bool = False) -> str:
    """To be read aloud: no brackets, no codes."""
    return speech_of_several([alert], places, at, automatic)


def speech_of_several(alerts: Sequence[Alert], places: Places, at: datetime, automatic: bool = False) -> str:
    """Several alerts to be read aloud one after the other, the highest first."""
    sign = f"{_MARK[alerts[0].status]}, simulated data. " if alerts[0].status in _MARK else ""
    body = ""
    for group in groups_of(alerts):
        first = group[0]
        what = f"{Level(spoken_level(first)).colour} {_NAMES[first.hazard]} warning"
        where = ", ".join(places.full(alert.area) for alert in group)
        body += f"{first.issuer} {verb(first)} {what} for {where}. "
        body += "".join(f"{words} " for words in (written(first, places), instruction_of(first)) if words)
        if first.hazard is Hazard.EARTHQUAKE and first.type != "cancel" and not table_of(first):
            body += "".join(f"{arrival}. " for arrival in _arrival(first.evidence, at))
    text = sign + ("Released automatically. " if automatic else "") + body.strip()
    return text.translate(_UNSPEAKABLE)


def sms(alert: Alert, places: Places, at: datetime, automatic: bool = False) -> str:
    """One alert as a short message."""
    if alert.hazard is Hazard.STATION:
        return _signed(alert, automatic, f"{fault(alert, places)}. {instruction(alert)}")
    if alert.type == "cancel":
        body = f"{clause(alert, places, alert.issued_at)}: {places.full(alert.area)}. {instruction_of(alert)}"
    else:
        said = written(alert, places) or f"{figures(alert, places, at)}."
        body = f"{clause(alert, places, alert.issued_at)}: {said} {instruction_of(alert)}"
    return _signed(alert, automatic, body)


def sms_of_several(
    alerts: Sequence[Alert], places: Places, at: datetime, names: int, automatic: bool = False
) -> str:
    """Several alerts in one message: what and where by group, at most `names` places a group."""
    parts, issuer, advised = [], "", set[Hazard]()
    groups = groups_of(alerts)
    for group in groups:
        first = group[0]
        more = f" and {len(group) - names} more" if len(group) > names else ""
        if first.hazard is Hazard.STATION:
            faults = ", ".join(fault(alert, places) for alert in group[:names])
            parts.append(f"{faults}{more}. {instruction(first)}")
            continue
        who = "" if first.issuer == issuer else f"{first.issuer} {minute_en(at)} "
        issuer = first.issuer
        advice = "" if first.hazard in advised else instruction_of(first)
        if first.type == "cancel" and len(groups) > 1:
            advice = ""
        advised.add(first.hazard)
        where = ", ".join(dict.fromkeys(places.full(alert.area) for alert in group[:names]))
        what = f"{who}{verb(first)} {named(first.hazard, spoken_level(first))}"
        parts.append(f"{what}: {where}{more}. {advice}".strip())
    return _signed(alerts[0], automatic, " ".join(parts))


def _signed(alert: Alert, automatic: bool, body: str) -> str:
    marks = ", ".join(
        part for part in (mark(alert.status), "RELEASED AUTOMATICALLY" if automatic else "") if part
    )
    return f"[{marks}] {body}" if marks else body
