"""`fenghuo check DIR`: every fault of a configuration, with file and line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from runtime.configuration import reach
from runtime.configuration.loading import Configuration, examine
from schemas.area import TIERS, Tier

_SEVERAL = {
    Tier.CITY: "cities",
    Tier.COUNTY: "counties",
    Tier.TOWNSHIP: "townships",
    Tier.VILLAGE: "villages",
}


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check(folder: Path) -> None:
    """Name every fault of the configuration in DIR: file, line, what is wrong, how to mend it.

    Exits with 1 where there is one. What is no fault and may be meant is remarked on standard error.
    """
    configuration, faults = examine(folder)
    if configuration is None:
        for fault in faults:
            click.echo(str(fault))
        click.echo(f"{folder}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", err=True)
        sys.exit(1)
    bundle = configuration.bundle
    tiers = Counter(area.tier for area in bundle.areas)
    kinds = Counter(station.kind for station in bundle.stations)
    places = ", ".join(
        f"{tiers[tier]} {tier if tiers[tier] == 1 else _SEVERAL[tier]}" for tier in TIERS if tiers[tier]
    )
    network = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    click.echo(
        f"{folder}: no fault. Areas: {places}. Stations: {network}. "
        f"Recipients: {len(bundle.recipients)}. Status: {bundle.status}. Bundle {bundle.hash[:12]}."
    )
    for remark in _remarks(configuration):
        click.echo(f"{folder}: {remark}", err=True)


def _remarks(configuration: Configuration) -> Iterator[str]:
    bundle, settings = configuration.bundle, configuration.settings
    yield from reach.remarks(configuration.policy, bundle.areas, bundle.recipients)
    by_sms = [recipient for recipient in bundle.recipients if "sms" in recipient.channels]
    if by_sms and settings.channels.sms is None:
        otherwise = {recipient.tier for recipient in bundle.recipients if set(recipient.channels) - {"sms"}}
        without = [tier for tier in TIERS if tier in {recipient.tier for recipient in by_sms} - otherwise]
        nobody = f" At {' and '.join(without)} nobody has another channel." if without else ""
        yield (
            f"{len(by_sms)} recipients have sms, and fenghuo.yaml names no server at channels.sms: "
            f"such notices would be parked.{nobody}"
        )
    if settings.brokers.mqtt is None:
        yield "brokers.mqtt names no broker: one runs inside the process, and it can lose messages."
