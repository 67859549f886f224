"""Texts: an alert's own words, and what a notice says, in the language that policy sets.

In      `Alert` versions with or without words, places
Out     alerts with words; texts of notices
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from alerting.render import en, zh
from alerting.render.length import PART_UNITS, ucs2_units
from alerting.render.places import Places
from alerting.render.quake import seen_from
from schemas.alert import Alert

Language = Literal["zh", "en"]


class _Words(Protocol):
    """What each language's module has."""

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
    description = alert.description
    if description:
        sign = (zh if language == "zh" else en).mark(alert.status)
        description = f"【{sign}】{description}" if sign else description
    worded = alert.model_copy(
        update={
            "headline": _marked_headline(alert, places, words),
            "description": description or words.description(alert, places),
            "instruction": alert.instruction or words.instruction(alert),
        }
    )
    return worded.model_copy(update={"speech": words.speech(worded, places, worded.issued_at)})


def _marked_headline(alert: Alert, places: Places, words: _Words) -> str:
    rendered = words.headline(alert, places)
    if not alert.headline:
        return rendered
    # An exercise is marked whoever wrote the headline.
    mark, bracket, _ = rendered.partition("】") if words is zh else rendered.partition("]")
    sign = mark + bracket if bracket and mark[0] in "【[" else ""
    return (sign + alert.headline)[: zh.HEADLINE_CHARACTERS]


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
