"""Length of a short message in UCS-2, as the network counts it.

Source  GSM 03.38: 70 code units in one message, 67 in each part of a longer one; outside the BMP a character counts two
"""

from __future__ import annotations

ONE_UNITS = 70
PART_UNITS = 67


def ucs2_units(text: str) -> int:
    """UTF-16 code units of a text."""
    return len(text.encode("utf-16-le")) // 2


def sms_parts(text: str) -> int:
    """How many messages a text takes, at least one."""
    units = ucs2_units(text)
    return 1 if units <= ONE_UNITS else -(-units // PART_UNITS)
