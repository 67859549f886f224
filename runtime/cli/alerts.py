"""`fenghuo alerts`: what operators do, from a terminal; all of it by the running engine's HTTP."""

from __future__ import annotations

import getpass
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from runtime.cli.engine import call, engine_option
from runtime.clock import MachineClock
from schemas.act import Act, ActName
from schemas.alert import Alert
from schemas.hazard import Hazard
from schemas.ids import hashed
from schemas.level import Level
from schemas.times import CHINA, from_micros

_COLOURS = {level.colour: int(level) for level in Level if level}


@click.group()
def alerts() -> None:
    """Alerts in force, who was told, and what a person can do about them."""


def _by_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--by",
        envvar="FENGHUO_OPERATOR",
        default=getpass.getuser,
        help="Who does it; by default FENGHUO_OPERATOR, else the user of this machine.",
    )(command)


def _reason_option(required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    if required:
        return click.option("--reason", required=True, help="Why; kept with the act.")
    return click.option("--reason", default="", help="Why; kept with the act.")


def _about_one_alert(*, reason_required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What every act upon an alert takes: ALERT, `--reason`, `--by`, `--url`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for add in (engine_option, _by_option, _reason_option(reason_required), click.argument("alert")):
            command = add(command)
        return command

    return decorate


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@engine_option
def list_(everything: bool, url: str) -> None:
    """List alerts in force, the highest level first."""
    response = call(url, "GET", "/v1/alerts?all=1" if everything else "/v1/alerts")
    found = [Alert.model_validate(one) for one in response.json()]
    for alert in found:
        click.echo(_line(alert))
    click.echo(f"{len(found)} alerts", err=True)


@alerts.command()
@click.argument("alert")
@click.option("--notices", is_flag=True, help="Also each notice, and how long each step of its way took.")
@click.option("--json", "as_json", is_flag=True, help="The engine's answer as it is.")
@engine_option
def show(alert: str, notices: bool, as_json: bool, url: str) -> None:
    """Show one chain: its versions, who was told, who released it, what was done."""
    answer = _chain(url, alert)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    versions = [Alert.model_validate(one) for one in answer["versions"]]
    for version in versions:
        click.echo(_line(version))
    click.echo(f"\n{versions[-1].description}\n{versions[-1].instruction}\n")
    told = Counter((one["audience"], one["channel"], one["state"]) for one in answer["notices"])
    for (audience, channel, state), count in sorted(told.items()):
        click.echo(f"  {audience:<12} {channel:<10} {state:<11} {count}")
    for release in answer["releases"]:
        how = "自动发布" if release["automatic"] else f"by {release['by']}"
        click.echo(
            f"  release of version {release['version']} to {release['audience']}, {how}, {release['at']}"
        )
    for act in answer["acts"]:
        outcome = act["outcome"] + (f": {act['refused_because']}" if act["refused_because"] else "")
        click.echo(f"  {act['act']} by {act['by']}, {act['at']}: {outcome}")
    for notice in answer["notices"] if notices else ():
        click.echo(f"\n  {notice['id']} {notice['post']} {notice['channel']} {notice['state']}")
        for line in _way(notice["hops"] or {}):
            click.echo(f"    {line}")


@alerts.command()
@_about_one_alert(reason_required=False)
def ack(alert: str, reason: str, by: str, url: str) -> None:
    """Acknowledge the newest version: somebody has seen it."""
    _act(url, "acknowledge", by, alert=alert, reason=reason)


@alerts.command()
@_about_one_alert(reason_required=False)
def release(alert: str, reason: str, by: str, url: str) -> None:
    """Release the newest version to the public."""
    _act(url, "release", by, alert=alert, reason=reason)


@alerts.command()
@_about_one_alert(reason_required=True)
def cancel(alert: str, reason: str, by: str, url: str) -> None:
    """End an alert by hand; those who were told hear of it."""
    _act(url, "cancel", by, alert=alert, reason=reason)


@alerts.command()
@click.option(
    "--hazard",
    required=True,
    type=click.Choice([one.value for one in Hazard if one is not Hazard.STATION]),
    help="What is warned of.",
)
@click.option("--level", required=True, type=click.Choice(list(_COLOURS)), help="Its colour.")
@click.option("--area", required=True, help="Code of the area.")
@click.option("--headline", default="", help="Left out: the engine's own words.")
@click.option("--description", default="", help="What happens; left out: the engine's own words.")
@click.option("--instruction", default="", help="What to do; left out: the engine's own words.")
@click.option(
    "--content", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="More, as a JSON file."
)
@_reason_option(required=True)
@_by_option
@engine_option
def issue(
    hazard: str,
    level: str,
    area: str,
    headline: str,
    description: str,
    instruction: str,
    content: Path | None,
    reason: str,
    by: str,
    url: str,
) -> None:
    """Issue a warning by hand."""
    words = {"headline": headline, "description": description, "instruction": instruction}
    given: dict[str, Any] = {"hazard": hazard, "level": _COLOURS[level], "area": area}
    given |= {name: text for name, text in words.items() if text}
    if content is not None:
        given |= _read(content)
    _act(url, "issue", by, reason=reason, content=given)


def _act(
    url: str,
    name: ActName,
    by: str,
    *,
    alert: str | None = None,
    reason: str = "",
    content: dict[str, Any] | None = None,
) -> None:
    """Post an act about the version that stands now, and tell what the pipeline made of it."""
    version = None if alert is None else int(_chain(url, alert)["versions"][-1]["version"])
    now_us = MachineClock().now_us()
    act = Act(
        id=hashed("x", name, by, alert or "", now_us),
        act=name,
        by=by,
        at=from_micros(now_us),
        alert=alert,
        version=version,
        reason=reason,
        content=content or {},
    )
    response = call(url, "POST", "/v1/acts", content=act.model_dump_json().encode())
    if response.status_code not in {200, 202, 409}:
        raise click.ClickException(f"the engine answers {response.status_code}: {_told(response.text)}")
    judged = response.json()
    if judged["outcome"] == "done" and judged["content"].get("still_needed"):
        click.echo(
            f"{name} {alert} waits: its data are missing or policy asks for two, so a second person must cancel it too"
            f" ({act.id})"
        )
    elif judged["outcome"] == "done":
        click.echo(f"{name} {judged.get('alert') or ''} done ({act.id})")
    elif judged["outcome"] == "refused":
        click.echo(f"{name} refused: {judged['refused_because']}", err=True)
        sys.exit(1)
    else:
        click.echo(
            f"{name} is in the log and not judged yet ({act.id}); look again with `fenghuo alerts show`"
        )


def _chain(url: str, alert: str) -> dict[str, Any]:
    response = call(url, "GET", f"/v1/alerts/{alert}")
    if response.status_code == 404:
        raise click.ClickException(f"there is no alert {alert}; `fenghuo alerts list --all` has them")
    if response.status_code != 200:
        raise click.ClickException(f"the engine answers {response.status_code}: {_told(response.text)}")
    answer: dict[str, Any] = response.json()
    return answer


def _way(hops: dict[str, str | None]) -> Iterator[str]:
    """Each step of a notice's way that is known, and how long it took."""
    before: datetime | None = None
    for name, told in hops.items():
        if told is None:
            continue
        at = datetime.fromisoformat(told)
        took = "" if before is None else f"  +{(at - before).total_seconds():.2f} s"
        yield f"{name:<10} {at.astimezone(CHINA):%m-%d %H:%M:%S}{took}"
        before = at


def _told(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise click.ClickException(f"{path} holds no JSON object")
    return content


def _line(alert: Alert) -> str:
    kind = {"issue": "发布", "update": "变更", "cancel": "解除"}[alert.type]
    colour = Level(alert.previous_level if alert.type == "cancel" else alert.level).words_zh
    if alert.hazard is Hazard.STATION:
        colour = ""
    issued = alert.issued_at.astimezone(CHINA)
    return f"{alert.id} v{alert.version} {issued:%m-%d %H:%M} {kind} {colour} {alert.area} {alert.headline}"
