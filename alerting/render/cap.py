"""CAP 1.2: an alert version as the XML that other systems take.

In      `Alert` with words, places
Out     UTF-8 XML, valid by the OASIS schema urn:oasis:names:tc:emergency:cap:1.2
Source  OASIS CAP 1.2; levels to urgency, severity, certainty and response: usual practice; event codes GB/T 35561-2017
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from xml.etree import ElementTree

from alerting.render.moments import local
from alerting.render.places import Places
from alerting.render.texts import Language
from schemas.alert import Alert, Origin, Status
from schemas.hazard import Hazard
from schemas.level import Level

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
EVENT_SCHEME = "GB/T 35561-2017"
AREA_SCHEME = "GB/T 2260, GB/T 10114"

_STATUS = {Status.ACTUAL: "Actual", Status.EXERCISE: "Exercise", Status.TEST: "Test"}
_TYPE = {"issue": "Alert", "update": "Update", "cancel": "Cancel"}
_BY_LEVEL: Mapping[int, tuple[str, str, str, str, str]] = {
    1: ("Future", "Minor", "Possible", "Possible", "Monitor"),
    2: ("Expected", "Moderate", "Likely", "Possible", "Prepare"),
    3: ("Immediate", "Severe", "Observed", "Likely", "Prepare"),
    4: ("Immediate", "Extreme", "Observed", "Likely", "Evacuate"),
}
"""By level: urgency, severity, certainty of what is measured, of what is forecast, response."""
_UNFIT = re.compile(r"[\s,<&]+")


class NotForCap(Exception):
    """The alert goes to no CAP feed; the message says why."""


def cap_xml(alert: Alert, places: Places, language: Language = "zh") -> bytes:
    """An alert version as CAP 1.2.

    Parameters
    ----------
    alert
        Any hazard but `station`, whose faults go to those who mend only.
    places
        Names of areas; areas unknown to it are called by their codes.
    language
        Of the words in the alert.

    Raises
    ------
    NotForCap
        The alert is a fault of a station.
    """
    if alert.hazard is Hazard.STATION:
        raise NotForCap("a fault of a station goes to those who mend it, not to CAP")
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.Element(_name("alert"))
    _add(root, "identifier", identifier(alert.id, alert.version))
    _add(root, "sender", _fit(alert.issuer))
    _add(root, "sent", _time(alert.issued_at))
    _add(root, "status", _STATUS[alert.status])
    _add(root, "msgType", _TYPE[alert.type])
    _add(root, "scope", "Public")
    if alert.status is not Status.ACTUAL:
        # The standard asks for the note in an exercise: what it is, in words.
        _add(root, "note", "演练，模拟数据 / exercise, simulated data")
    if alert.references:
        earlier = (
            f"{_fit(alert.issuer)},{identifier(r.id, r.version)},{_time(r.issued_at)}"
            for r in alert.references
        )
        _add(root, "references", " ".join(earlier))
    _info(root, alert, places, language)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()


def identifier(chain: str, version: int) -> str:
    """The identifier of one version of a chain: no space, comma, < or &."""
    return f"{_fit(chain)}.{version}"


def _info(root: ElementTree.Element, alert: Alert, places: Places, language: Language) -> None:
    level = alert.level or alert.previous_level or 1
    urgency, severity, measured, forecast, response = _BY_LEVEL[level]
    if alert.hazard is Hazard.LANDSLIDE and level == Level.ORANGE:
        response = "Evacuate"
    info = ElementTree.SubElement(root, _name("info"))
    _add(info, "language", "zh-CN" if language == "zh" else "en")
    _add(info, "category", alert.hazard.cap_category)
    _add(info, "event", alert.hazard.zh if language == "zh" else str(alert.hazard).replace("_", " "))
    _add(info, "responseType", "AllClear" if alert.type == "cancel" else response)
    _add(info, "urgency", "Past" if alert.type == "cancel" else urgency)
    _add(info, "severity", severity)
    _add(info, "certainty", forecast if "forecast_at" in alert.evidence else measured)
    if alert.hazard.event_code:
        _pair(info, "eventCode", EVENT_SCHEME, alert.hazard.event_code)
    _add(info, "effective", _time(alert.effective_at))
    _add(info, "expires", _time(alert.expires_at))
    _add(info, "senderName", alert.issuer)
    _add(info, "headline", alert.headline)
    _add(info, "description", alert.description)
    _add(info, "instruction", alert.instruction)
    _pair(info, "parameter", "level", Level(level).colour)
    _pair(info, "parameter", "grade", Level(level).grade)
    _pair(info, "parameter", "policy", alert.policy)
    if alert.origin is not Origin.DETECTOR:
        _pair(info, "parameter", "origin", str(alert.origin))
    area = ElementTree.SubElement(info, _name("area"))
    _add(area, "areaDesc", places.full(alert.area) or alert.area)
    if alert.position is not None:
        lon, lat = alert.position
        _add(area, "circle", f"{lat:.5f},{lon:.5f} 0")
    for code in alert.areas:
        _pair(area, "geocode", AREA_SCHEME, code)


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


def _add(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, _name(tag)).text = _printable(text)


def _pair(parent: ElementTree.Element, tag: str, name: str, value: str) -> None:
    pair = ElementTree.SubElement(parent, _name(tag))
    _add(pair, "valueName", name)
    _add(pair, "value", value)


def _time(moment: datetime) -> str:
    # "Z" is refused by the schema; Beijing time has an offset by nature.
    return local(moment).isoformat(timespec="seconds")


def _fit(text: str) -> str:
    return _UNFIT.sub("-", text.strip()) or "-"


def _printable(text: str) -> str:
    # XML 1.0 has no way to write the other control characters.
    return "".join(c for c in text if c >= " " or c in "\t\n\r")
