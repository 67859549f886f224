"""`fenghuo schema`: the JSON Schema of a shape, or the AsyncAPI document of all."""

from __future__ import annotations

import json
from importlib.metadata import version

import click

from schemas.published import SHAPES, asyncapi, json_schema


@click.command()
@click.argument("name", type=click.Choice([*SHAPES, "asyncapi"]))
def schema(name: str) -> None:
    """Print the JSON Schema of the shape NAME; `asyncapi` prints the document of all topics."""
    document = asyncapi(version("fenghuo")) if name == "asyncapi" else json_schema(name)
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
