"""The configuration of the chaos runs: Bazhong with each county an association area of its own.

Made from `deploy/bazhong` into a folder, never kept: five association areas on four partitions, and every seismic station
watches all five. More posts have a webhook than in the shipped roster, so that the channel that can recognise a repeat
carries much of what is said.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from schemas.times import Micros, from_micros

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "bazhong"
RATE = 60.0
WEBHOOK_ADDRESS = "https://dispatch.example/fenghuo"
"""Never asked: in an exercise all webhooks go to one receiver."""


@dataclass(frozen=True)
class Surroundings:
    """Where the servers and receivers of a run are."""

    kafka: str
    mqtt: tuple[str, int]
    database_url: str
    message_centre: tuple[str, int]
    webhook_url: str


def make_configuration(
    folder: Path, around: Surroundings, starts_us: Micros, set_at: datetime, client_id: str = "fenghuo"
) -> Path:
    """Write the whole configuration into a folder.

    Parameters
    ----------
    starts_us, set_at
        What the clock shows at that moment of the machine's; it runs `RATE` times as fast.
    client_id
        Of a gateway: two may not share one.
    """
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    counties = county_codes(folder)
    _rewrite(folder / "stations.csv", lambda row: _watch(row, counties))
    _rewrite(folder / "recipients.csv", _by_webhook_too)
    settings = _settings(around, starts_us, set_at, client_id)
    (folder / "fenghuo.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    policy = yaml.safe_load((folder / "policy.yaml").read_text(encoding="utf-8"))
    # What one person would release goes at once, so that loudspeakers and topics have much to carry.
    policy["routing"] = (policy.get("routing") or {}) | {"exercise_release_by": "nobody"}
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
    return folder


def county_codes(folder: Path) -> list[str]:
    """The codes of a configuration's counties, sorted."""
    with (folder / "areas.csv").open(encoding="utf-8", newline="") as file:
        return sorted(row["code"] for row in csv.DictReader(file) if row["tier"] == "county")


def _settings(around: Surroundings, starts_us: Micros, set_at: datetime, client_id: str) -> dict[str, Any]:
    host, port = around.mqtt
    centre_host, centre_port = around.message_centre
    return {
        "status": "exercise",
        "association_tier": "county",
        "clock": {
            "starts_at": from_micros(starts_us).isoformat(),
            "rate": RATE,
            "set_at": set_at.isoformat(),
        },
        "brokers": {
            "mqtt": {"host": host, "port": port, "client_id": client_id},
            "kafka": {"bootstrap": [around.kafka]},
        },
        "database": {"url": around.database_url},
        "channels": {
            "sms": {"host": centre_host, "port": centre_port, "system_id": "fenghuo"},
            "webhook": {"exercise_receiver": around.webhook_url},
        },
    }


def _watch(row: dict[str, str], counties: list[str]) -> dict[str, str]:
    return row | {"watches": ";".join(counties)} if row["kind"] == "seismic" else row


def _by_webhook_too(row: dict[str, str]) -> dict[str, str]:
    if row["role"] != "duty":
        return row
    # Named first, it is the one that is used below red.
    channels: Mapping[str, str] = {"webhook": WEBHOOK_ADDRESS} | json.loads(row["channels"])
    return row | {"channels": json.dumps(channels)}


def _rewrite(path: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        names, rows = list(reader.fieldnames or ()), list(reader)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(row) for row in rows)
