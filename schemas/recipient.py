"""Recipients as decisions see them: addresses and posts stay outside log and bundle."""

from __future__ import annotations

import msgspec

from schemas.area import Tier


class Recipient(msgspec.Struct, frozen=True):
    """Who may be told: a post or a device. `channels`: names in order of preference, no addresses."""

    id: str
    area: str
    tier: Tier
    role: str
    channels: tuple[str, ...]
