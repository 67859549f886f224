"""What is published can be used: schemas are valid, accept what we write, and every reference leads somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.area import TIERS
from schemas.hazard import Hazard
from schemas.published import SHAPES, asyncapi, json_schema
from schemas.times import from_micros
from schemas.truth import Event, Truth
from tests.schemas.test_wire import GOOD, good


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_a_valid_schema(name: str) -> None:
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == name


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_reading_passes_the_published_schema_and_a_bad_one_does_not(kind: str) -> None:
    validator = Draft202012Validator(json_schema("reading"))
    validator.validate(good(kind))
    assert list(validator.iter_errors(good(kind) | {"observed_at": 7}))
    assert list(validator.iter_errors({"kind": kind}))


def test_what_we_write_passes_the_published_schema() -> None:
    event = Event(
        hazard=Hazard.LANDSLIDE, level=4, area="5119", begins_at=from_micros(0), ends_at=from_micros(1)
    )
    Draft202012Validator(json_schema("truth")).validate(json.loads(Truth(events=(event,)).model_dump_json()))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi("1.2.3")
    found = set(references(document))
    assert found
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_channel_has_an_operation_and_drills_have_channels_of_their_own() -> None:
    document = asyncapi("1.2.3")
    assert document["asyncapi"] == "3.0.0"
    assert set(document["operations"]) == set(document["channels"])
    addresses = {channel["address"] for channel in document["channels"].values()}
    for tier in TIERS:
        assert {f"alerts.{tier}", f"exercise.alerts.{tier}"} <= addresses
