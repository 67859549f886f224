"""`fenghuo rejects`: what could not be a reading; list it, and read it again after mending."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from alerting.ledger import Ledger
from runtime.cli.engine import call, engine_option
from runtime.clock import MachineClock
from runtime.configuration.loading import load
from runtime.servers.database import open_ledger
from runtime.servers.surroundings import ledger_url
from schemas.reject import Reject, RejectReason

_HOPELESS = {RejectReason.BLANK, RejectReason.TOO_LARGE, RejectReason.UNREADABLE}
"""Reasons whose payload says nothing, or is not kept whole: reading it again cannot help."""


@click.group()
def rejects() -> None:
    """What could not be a reading: list it, replay it after mending."""


def _ledger(folder: Path) -> Ledger:
    settings = load(folder, "rejects").settings
    url = ledger_url(settings, os.environ)
    if "://" not in url and not Path(url).exists():
        raise click.ClickException(f"{url} is not there: no engine has run on this configuration's data yet")
    return open_ledger(settings, os.environ)


@rejects.command("list")
@click.option(
    "--config", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the configuration."
)
@click.option("--reason", type=click.Choice([reason.value for reason in RejectReason]), help="Only these.")
@click.option("--all", "everything", is_flag=True, help="Also those that were replayed already.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(min=1), help="The newest so many."
)
def list_(folder: Path, reason: str | None, everything: bool, limit: int) -> None:
    """Print rejects, oldest first: time, id, source, reason, and what to mend."""
    with _ledger(folder) as ledger:
        wanted = RejectReason(reason) if reason else None
        found = ledger.rejects(reason=wanted, replayed=None if everything else False, newest=limit)
    for reject in found:
        click.echo(
            f"{reject.received_at:%Y-%m-%dT%H:%M:%SZ} {reject.id} {reject.source} {reject.reason}: {reject.detail}"
        )
    click.echo(f"{len(found)} rejects", err=True)


@rejects.command("replay")
@click.option(
    "--config", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the configuration."
)
@click.option("--reason", type=click.Choice([reason.value for reason in RejectReason]), help="Only these.")
@engine_option
def replay(folder: Path, reason: str | None, url: str) -> None:
    """Send rejects to the running engine again; what is still wrong becomes a new reject.

    Their times are their own: what is past its horizon is kept and scores nothing.
    """
    outcome: Counter[str] = Counter()
    with _ledger(folder) as ledger:
        for reject in ledger.rejects_to_replay(RejectReason(reason) if reason else None):
            if reject.reason in _HOPELESS:
                outcome["cannot be replayed"] += 1
                continue
            outcome[_send(url, reject)] += 1
            # Marked after the engine has it: a kill between the two sends it twice, and a repeat counts once.
            ledger.mark_replayed([reject.id], MachineClock().now_us())
    click.echo(", ".join(f"{count} {what}" for what, count in outcome.items()) or "nothing to replay")


def _send(url: str, reject: Reject) -> str:
    response = call(url, "POST", "/v1/readings", content=reject.bytes)
    if response.status_code in (200, 422):
        return "accepted" if response.json()["accepted"] else "rejected again"
    raise click.ClickException(f"the engine answers {response.status_code}: {response.text}")
