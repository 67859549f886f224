"""`fenghuo cap ALERT.json`: one alert version as CAP 1.2 XML."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click
from pydantic import ValidationError

from alerting.render import Places
from alerting.render.cap import NotForCap, cap_xml
from runtime.configuration.faults import ConfigurationError
from runtime.configuration.loading import load
from schemas.alert import Alert
from schemas.area import AreaIndex
from schemas.station import StationIndex


@click.command()
@click.argument("alert", metavar="ALERT.json", type=click.File("rb"))
@click.option(
    "--config",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Configuration that has the names of the areas; without it they are called by their codes.",
)
@click.option(
    "--language",
    type=click.Choice(["zh", "en"]),
    default="zh",
    show_default=True,
    help="Language of the words in the alert, as the XML names it.",
)
def cap(alert: BinaryIO, folder: Path | None, language: str) -> None:
    """Write the alert in ALERT.json ("-": standard input) as CAP 1.2 XML.

    ALERT.json holds one version, as a line of alerts.jsonl does.
    """
    try:
        version = Alert.model_validate_json(alert.read())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise click.ClickException(f"{alert.name}: {where or 'content'}: {first['msg']}") from error
    try:
        xml = cap_xml(version, _places(folder), "en" if language == "en" else "zh")
    except NotForCap as error:
        raise click.ClickException(f"{alert.name}: {error}") from error
    click.get_binary_stream("stdout").write(xml)


def _places(folder: Path | None) -> Places:
    if folder is None:
        return Places(AreaIndex(()), StationIndex(()))
    try:
        bundle = load(folder).bundle
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    return Places(bundle.areas, bundle.stations)
