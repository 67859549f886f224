"""Published shapes: JSON Schemas of the models, and one AsyncAPI 3 document of where they travel.

Source  JSON Schema 2020-12; AsyncAPI 3.0.0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from schemas.acknowledgement import Acknowledgement
from schemas.act import Act
from schemas.alert import Alert
from schemas.area import TIERS
from schemas.finding import Finding
from schemas.notice import Notice, Receipt
from schemas.reading import READING
from schemas.reject import Reject
from schemas.truth import Truth

SHAPES: Mapping[str, TypeAdapter[Any]] = {
    "reading": READING,
    "finding": TypeAdapter(Finding),
    "alert": TypeAdapter(Alert),
    "notice": TypeAdapter(Notice),
    "receipt": TypeAdapter(Receipt),
    "act": TypeAdapter(Act),
    "reject": TypeAdapter(Reject),
    "acknowledgement": TypeAdapter(Acknowledgement),
    "truth": TypeAdapter(Truth),
}
"""Every shape that outsiders rely on, by its name."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a shape.

    Raises
    ------
    KeyError
        There is no such shape.
    """
    return {"$schema": _DIALECT, **SHAPES[name].json_schema(by_alias=True), "title": name}


def asyncapi(version: str) -> dict[str, Any]:
    """The AsyncAPI document of all topics; `version` is the product's."""
    channels = {**_mqtt_channels(), **_kafka_channels()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fenghuo",
            "version": version,
            "description": "Readings in, warnings out in four tiers. HTTP: POST /v1/readings, /v1/acts, /v1/receipts.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "mqtt": {"host": "127.0.0.1:1883", "protocol": "mqtt", "protocolVersion": "5"},
            "kafka": {"host": "127.0.0.1:9092", "protocol": "kafka"},
        },
        "channels": {name: channel for name, (channel, _) in channels.items()},
        "operations": {
            name: {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{next(iter(channel['messages']))}"}],
            }
            for name, (channel, action) in channels.items()
        },
        "components": {
            "messages": {
                name: {"name": name, "contentType": "application/json", "payload": _embedded(name)}
                for name in SHAPES
            }
        },
    }


def _channel(
    address: str, server: str, shape: str, action: str, description: str, **parameters: str
) -> tuple[dict[str, Any], str]:
    channel: dict[str, Any] = {
        "address": address,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "description": description,
        "messages": {shape: {"$ref": f"#/components/messages/{shape}"}},
    }
    if parameters:
        channel["parameters"] = {name: {"description": text} for name, text in parameters.items()}
    return channel, action


def _mqtt_channels() -> dict[str, tuple[dict[str, Any], str]]:
    tier, area, alert = "city, county, township or village", "national code of the area", "id of the chain"
    return {
        "readings": _channel(
            "readings/{kind}/{station}",
            "mqtt",
            "reading",
            "receive",
            "One reading or an array of them, QoS 1. Acknowledged when it is in the log.",
            kind="the reading's kind",
            station="the station's id",
        ),
        "acknowledgements": _channel(
            "acks/{station}",
            "mqtt",
            "acknowledgement",
            "send",
            "What of a station's messages is durable; retained, at most once a second. Re-send what is newer or missing.",
            station="the station's id; of a forecast its area's code",
        ),
        "alerts": _channel(
            "alerts/{tier}/{area}/{alert}",
            "mqtt",
            "alert",
            "send",
            "Released versions, QoS 1, retained while in force.",
            tier=tier,
            area=area,
            alert=alert,
        ),
        "exerciseAlerts": _channel(
            "exercise/alerts/{tier}/{area}/{alert}",
            "mqtt",
            "alert",
            "send",
            "The same in an exercise or a test; never on the live topics.",
            tier=tier,
            area=area,
            alert=alert,
        ),
        "receipts": _channel(
            "receipts/{notice}",
            "mqtt",
            "receipt",
            "receive",
            "A player's word: state `played` or `failed`, at, device.",
            notice="id of the notice",
        ),
    }


def _kafka_channels() -> dict[str, tuple[dict[str, Any], str]]:
    channels = {
        "kafkaReadings": _channel(
            "readings",
            "kafka",
            "reading",
            "receive",
            "Key: the station; of a forecast its area. One or an array.",
        ),
        "kafkaRejects": _channel(
            "readings.rejected", "kafka", "reject", "send", "What could not be a reading."
        ),
        "kafkaFindings": _channel("findings", "kafka", "finding", "send", "What detectors concluded."),
    }
    for tier in TIERS:
        for prefix, name in (("", "kafka"), ("exercise.", "kafkaExercise")):
            channels[f"{name}Alerts{tier.capitalize()}"] = _channel(
                f"{prefix}alerts.{tier}",
                "kafka",
                "alert",
                "send",
                "Key: area code. At least once: ignore a version no higher than the one that you have.",
            )
    return channels


def _embedded(name: str) -> dict[str, Any]:
    """A shape's schema with its definitions reachable from where it stands in the document."""
    reference = f"#/components/messages/{name}/payload/$defs/{{model}}"
    return SHAPES[name].json_schema(by_alias=True, ref_template=reference)
