"""Render: alerts as text, speech, short messages and CAP 1.2, Chinese first. Pure."""

from alerting.render.length import sms_parts, ucs2_units
from alerting.render.places import Places
from alerting.render.texts import Language, notice_text, render_alert
from alerting.render.unreached import called, unreached_mark

__all__ = [
    "Language",
    "Places",
    "called",
    "notice_text",
    "render_alert",
    "sms_parts",
    "ucs2_units",
    "unreached_mark",
]
