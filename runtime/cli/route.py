"""`fenghuo route test`: who would be told, by what, and why. It asks the routing itself."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from alerting.lifecycle import Lifecycle
from alerting.routing import Decider, Decision
from runtime.configuration.faults import ConfigurationError
from runtime.configuration.loading import Configuration, load
from runtime.configuration.policy import Policy
from schemas.act import Act
from schemas.alert import Alert, Origin
from schemas.area import TIERS, Tier
from schemas.bundle import Bundle
from schemas.finding import make_finding
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.times import EPOCH, to_micros

_LEVELS = {Level(number).colour: number for number in range(1, 5)}
_SHOWN = 12
_WIDTH = 170


@click.group()
def route() -> None:
    """Ask the routing who would be told."""


@route.command("test")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--hazard",
    required=True,
    type=click.Choice([str(hazard) for hazard in Hazard]),
    help="What threatens; `station` for a sick instrument.",
)
@click.option(
    "--level", required=True, type=click.Choice([*_LEVELS, "1", "2", "3", "4"]), help="A colour, or 1 to 4."
)
@click.option(
    "--area", required=True, metavar="CODE", help="Where it is found; it is lifted to the hazard's tier."
)
@click.option(
    "--origin",
    type=click.Choice([str(Origin.DETECTOR), str(Origin.MANUAL), str(Origin.DEPARTMENT)]),
    default=str(Origin.DETECTOR),
    show_default=True,
    help="Whose conclusion it is: our own, a warning by hand, or a department's.",
)
@click.option(
    "--all", "everyone", is_flag=True, help=f"Every recipient, not the first {_SHOWN} of each tier."
)
def test(folder: Path, hazard: str, level: str, area: str, origin: str, everyone: bool) -> None:
    """Show who would be told of a first issue, by which channel, when, and by which line of the policy in DIR.

    Exits with 1 where nobody would be.
    """
    try:
        configuration = load(folder)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    bundle = configuration.bundle
    if area not in bundle.areas:
        raise click.BadParameter(f"areas.csv has no area {area}", param_hint="--area")
    number = _LEVELS.get(level) or int(level)
    policy = Policy.model_validate(bundle.policy)
    alert = first_issue(
        Lifecycle(policy.lifecycle, bundle), bundle, Hazard(hazard), number, area, Origin(origin)
    )
    decider = Decider(policy.routing, bundle)
    decisions = decider.decide(alert)
    # In a file or a pipe nothing tells how wide a line may be.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    _show(console, configuration, alert, decisions, decider.remarks(alert), everyone)
    if not decisions:
        raise click.exceptions.Exit(1)


def first_issue(
    lifecycle: Lifecycle, bundle: Bundle, hazard: Hazard, level: int, area: str, origin: Origin
) -> Alert:
    """The alert that a finding of that level there, or a warning issued there, would open."""
    if origin is Origin.DETECTOR:
        finding = make_finding(
            hazard=hazard,
            detector="route.test",
            level=level,
            area=area,
            stations=(),
            observed_us=0,
            evidence={},
            number=1,
            subject=area,
        )
        return lifecycle.process(finding, 0)[0]
    content = {"hazard": str(hazard), "level": level, "area": area, "origin": str(origin)}
    act = Act(id="route-test", act="issue", by="route test", at=EPOCH, content=content)
    judged, alerts = lifecycle.act(act, to_micros(EPOCH))
    if not alerts:
        raise click.ClickException(str(judged.refused_because))
    return alerts[0]


def _show(
    console: Console,
    configuration: Configuration,
    alert: Alert,
    decisions: Sequence[Decision],
    remarks: Sequence[str],
    everyone: bool,
) -> None:
    areas = configuration.bundle.areas
    console.print(alert.headline, style="bold", highlight=False)
    tiers = ", ".join(alert.tiers)
    console.print(f"area {alert.area} {areas[alert.area].name}; tiers {tiers}", highlight=False)
    console.print(f"issuer {alert.issuer}\n", highlight=False)
    table = Table("tier", "area", "recipient", "by", "when", "why", box=None)
    for tier in TIERS:
        of_tier = [decision for decision in decisions if decision.tier is tier]
        for decision in of_tier if everyone else of_tier[:_SHOWN]:
            table.add_row(
                tier,
                areas[decision.area].name,
                decision.recipient,
                decision.channel,
                f"{decision.audience}: {decision.release}",
                f"route {decision.route}, role {decision.role}; {decision.why}",
            )
        if len(of_tier) > _SHOWN and not everyone:
            table.add_row(tier, f"… and {len(of_tier) - _SHOWN} more", *[""] * 4)
    console.print(table)
    for remark in remarks:
        console.print(remark, highlight=False)
    console.print(f"\n{_sum(decisions)}", highlight=False)


def _sum(decisions: Sequence[Decision]) -> str:
    if not decisions:
        return "Nobody would be told."
    told: Counter[tuple[Tier, str]] = Counter((decision.tier, decision.channel) for decision in decisions)
    parts = [
        f"{tier} {channel} {told[tier, channel]}"
        for tier, channel in sorted(told, key=lambda k: (k[0].rank, k[1]))
    ]
    return f"{len(decisions)} notices: {', '.join(parts)}."
