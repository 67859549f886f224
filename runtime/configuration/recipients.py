"""recipients.csv: who is told and by what; addresses and posts stay outside log and bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.configuration.areas import FILE as AREAS_FILE
from runtime.configuration.areas import AreaTable
from runtime.configuration.faults import Faults
from runtime.configuration.tables import Row, did_you_mean, read_table
from schemas.area import TIERS, Tier
from schemas.recipient import Recipient

FILE = "recipients.csv"
COLUMNS = ("id", "post", "area", "tier", "role", "channels")


@dataclass(frozen=True)
class Directory:
    """The recipients as decisions see them, and beside them what only the dispatcher reads.

    Attributes
    ----------
    posts
        What each recipient is called, by id.
    addresses
        By id, the address of each channel.
    """

    recipients: tuple[Recipient, ...] = ()
    posts: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)


def read_recipients(folder: Path, areas: AreaTable, channels: Collection[str], faults: Faults) -> Directory:
    """The recipients of a folder; none, and no fault, where it has no recipients.csv."""
    if not (folder / FILE).exists():
        return Directory()
    rows: dict[str, Row] = {}
    recipients: list[Recipient] = []
    addresses: dict[str, dict[str, str]] = {}
    for row in read_table(folder, FILE, COLUMNS, faults):
        id = row["id"]
        if id in rows:
            row.fault(f"recipient {id} stands on line {rows[id].line} already; take one away or mend its id.")
            continue
        rows[id] = row
        own = _addresses(row, channels)
        recipient = _recipient(row, areas, own)
        if recipient is not None:
            recipients.append(recipient)
            addresses[id] = own
    posts = {recipient.id: rows[recipient.id]["post"] for recipient in recipients}
    return Directory(tuple(recipients), posts, addresses, {id: row.line for id, row in rows.items()})


def _recipient(row: Row, areas: AreaTable, addresses: Mapping[str, str]) -> Recipient | None:
    id, area, role = row.filled("id"), row.filled("area"), row.filled("role")
    row.filled("post")
    tier = row["tier"]
    if area is not None and areas.lacks(area):
        row.fault(f"{row['id']} is in area {area}, which {AREAS_FILE} lacks; add the area or mend the code.")
    if tier not in {*TIERS}:
        row.fault(f"tier {tier!r} is unknown{did_you_mean(tier, TIERS)}; write one of {', '.join(TIERS)}.")
        return None
    if area is not None and area in areas.index and areas.index[area].tier is not Tier(tier):
        row.fault(
            f"{row['id']} is of tier {tier} in area {area}, which is a {areas.index[area].tier}; mend tier or area."
        )
    if id is None or area is None or role is None or not addresses:
        return None
    return Recipient(id, area, Tier(tier), role, tuple(addresses))


def _addresses(row: Row, channels: Collection[str]) -> dict[str, str]:
    written = row.object("channels")
    if written is None:
        return {}
    if not written:
        row.fault(f'{row["id"]} has no channel; write one like {{"sms": "example-5119"}}.')
    addresses: dict[str, str] = {}
    for channel, address in written.items():
        if channel not in channels:
            hint = did_you_mean(channel, [*channels])
            row.fault(f"channel {channel!r} is unknown{hint}; write one of {', '.join(sorted(channels))}.")
        elif not isinstance(address, str) or not address.strip():
            row.fault(f"the address of {row['id']} by {channel} is {address!r}; write it as a text.")
        else:
            addresses[channel] = address.strip()
    return addresses
