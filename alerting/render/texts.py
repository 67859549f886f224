"""Texts: an alert's own words, and what a notice says, in the language that policy sets.

In      `Alert` versions with or without words, places
Out     alerts with words; texts of notices
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from alerting.render import en, zh
from alerting.render.content import HEADLINE_CHARACTERS
from alerting.render.length import PART_UNITS, ucs2_units
from alerting.render.places import Places
from alerting.render.quake import seen_from
from schemas.alert import Alert, Status

Language = Literal["zh", "en"]


class _Words(Protocol):
    """What each language's module has."""

    def mark(self, status: Status) -> str: ...
    def clause(self, alert: Alert, places: Places, at: datetime) -> str: ...
    def headline(self, alert: Alert, places: Places) -> str: ...
    def description(self, alert: Alert, places: Places) -> str: ...
    def instruction(self, alert: Alert) -> str: ...
    def speech(self, alert: Alert, places: Places, at: datetime, automatic: bool = False) -> str: ...
    def speech_of_several(
        self, alerts: Sequence[Alert], places: Places, at: datetime, automatic: bool = False
    ) -> str: ...
    def sms(self, alert: Alert, places: Places, at: datetime, automatic: bool = False) -> str: ...
    def sms_of_several(
        self, alerts: Sequence[Alert], places: Places, at: datetime, names: int, automatic: bool = False
    ) -> str: ...


_WORDS: dict[Language, _Words] = {"zh": zh, "en": en}


def render_alert(alert: Alert, places: Places, language: Language = "zh") -> Alert:
    """The alert with headline, description, instruction and speech.

    Parameters
    ----------
    alert
        What a person wrote in it (headline, description, instruction) stays, behind the mark of an
        exercise; what is empty is rendered.
    places
        Names of areas and stations.
    language
        Of all four texts.
    """
    words = _WORDS[language]
    worded = alert.model_copy(
        update={
            "headline": _marked_headline(alert, places, words),
            "description": _bracketed(words.mark(alert.status), language) + alert.description
            if alert.description
            else words.description(alert, places),
            "instruction": alert.instruction or words.instruction(alert),
        }
    )
    spoken = worded.model_copy(update={"description": alert.description})
    return worded.model_copy(update={"speech": words.speech(spoken, places, alert.issued_at)})


def _bracketed(mark: str, language: Language) -> str:
    if not mark:
        return ""
    return f"【{mark}】" if language == "zh" else f"[{mark}] "


def _as_written(alert: Alert, places: Places) -> Alert:
    """The alert with its description as a person wrote it, without the mark; with none where it was rendered."""
    description = alert.description
    for language, words in _WORDS.items():
        description = description.removeprefix(_bracketed(words.mark(alert.status), language))
    openings = tuple(words.clause(alert, places, alert.issued_at) for words in _WORDS.values())
    return alert.model_copy(update={"description": "" if description.startswith(openings) else description})


def _marked_headline(alert: Alert, places: Places, words: _Words) -> str:
    rendered = words.headline(alert, places)
    if not alert.headline:
        return rendered
    # An exercise is marked whoever wrote the headline.
    mark, bracket, _ = rendered.partition("】") if words is zh else rendered.partition("]")
    sign = mark + bracket if bracket and mark[0] in "【[" else ""
    return (sign + alert.headline)[:HEADLINE_CHARACTERS]


def notice_text(
    alerts: Sequence[Alert],
    places: Places,
    at: datetime,
    *,
    area: str | None = None,
    language: Language = "zh",
    spoken: bool = False,
    automatic: bool = False,
    max_parts: int = 5,
) -> str:
    """What one recipient is told about one or several alerts.

    Parameters
    ----------
    alerts
        Versions of one or several chains, at least one.
    at
        Log time at which the notice comes due: countdowns count from it.
    area
        Where the recipient is: a quake is told as it is seen from there. None: as the alert has it.
    spoken
        Read aloud by a loudspeaker or a call, instead of a text.
    automatic
        A deadline released it: marked 自动发布.
    max_parts
        A text that lists places names as many as fit into so many short messages, then their number.
    """
    words = _WORDS[language]
    alerts = [_as_written(alert, places) for alert in alerts]
    if area is not None:
        alerts = [seen_from(alert, area, places) for alert in alerts]
    if spoken:
        if len(alerts) == 1:
            return words.speech(alerts[0], places, at, automatic)
        return words.speech_of_several(alerts, places, at, automatic)
    if len(alerts) == 1:
        return words.sms(alerts[0], places, at, automatic)
    names = len(alerts)
    text = words.sms_of_several(alerts, places, at, names, automatic)
    while names > 1 and ucs2_units(text) > max_parts * PART_UNITS:
        names = names * 3 // 4
        text = words.sms_of_several(alerts, places, at, names, automatic)
    return text
