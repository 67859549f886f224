"""`fenghuo check DIR`: every fault of a configuration, with file and line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from runtime.configuration import Configuration, examine
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
    by_sms = sum("sms" in recipient.channels for recipient in configuration.bundle.recipients)
    if by_sms and configuration.settings.channels.sms is None:
        yield f"{by_sms} recipients have sms, and channels.sms names no server: such notices would be parked."
    if configuration.settings.brokers.mqtt is None:
        yield "brokers.mqtt names no broker: one runs inside the process, and it can lose messages."
