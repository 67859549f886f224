"""The canonical format: JSON readings, one object or an array of them.

In      bytes of an MQTT payload, a Kafka value, an HTTP body or a line of a file
Out     readings (`schemas.wire.Said`), rejects, and names of fields that no reading has
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from schemas.reading import explain
from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import Micros
from schemas.wire import ONE, RAW, Said

MAX_BYTES = 4 * 1024 * 1024
"""A payload larger than this is refused whole; an hour of three channels at 100 Hz fits."""
MAX_KEPT_BYTES = 64 * 1024
"""How much of a payload that is too large is kept with its reject."""

# The same shapes that refuse a field which they do not know: tried first, so that an unknown field is noticed
# without decoding everything twice.
_STRICT: list[Any] = [
    msgspec.defstruct(
        cls.__name__,
        [],
        bases=(cls,),
        tag=cls.__struct_config__.tag,
        forbid_unknown_fields=True,
        kw_only=True,
    )
    for cls in get_args(Said)
]
_STRICT_UNION: Any = _STRICT[0]
for _cls in _STRICT[1:]:
    _STRICT_UNION = _STRICT_UNION | _cls
_STRICT_ONE: msgspec.json.Decoder[Said] = msgspec.json.Decoder(_STRICT_UNION)
_FIELDS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRICT_MANY: msgspec.json.Decoder[list[Said]] = msgspec.json.Decoder(list[_STRICT_UNION])


@dataclass(slots=True)
class Decoded:
    """What became of a payload."""

    readings: list[Said] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    unknown_fields: list[tuple[str, str]] = field(default_factory=list)
    """(station, field) of each field that was left out."""


def good_one(payload: bytes) -> Said | None:
    """The reading of a payload that is one good object of known fields; None for any other, which `decode` looks at."""
    if len(payload) > MAX_BYTES:
        return None
    try:
        return _STRICT_ONE.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def decode(payload: bytes, source: str, received_us: Micros) -> Decoded:
    """Readings of one payload: an object, or an array whose members succeed or fail each for itself."""
    decoded = Decoded()
    if len(payload) > MAX_BYTES:
        detail = f"{len(payload)} bytes; at most {MAX_BYTES} are taken: send smaller arrays"
        reject = make_reject(received_us, source, RejectReason.TOO_LARGE, detail, payload[:MAX_KEPT_BYTES])
        decoded.rejects.append(reject)
        return decoded
    one = good_one(payload)
    if one is not None:
        decoded.readings.append(one)
    else:
        _decode_slowly(payload, source, received_us, decoded)
    return decoded


def decode_lines(lines: Sequence[bytes]) -> list[Said] | None:
    """The readings of many lines at once, one a line; None unless every line is one good object.

    Where it is None, `decode` each line for itself, so that a bad one spoils no other.
    """
    # Lines that begin and end as objects cannot grow together into other objects when they are joined.
    if not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        return None
    try:
        readings = _STRICT_MANY.decode(b"[" + b",".join(lines) + b"]")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return readings if len(readings) == len(lines) else None


def _decode_slowly(payload: bytes, source: str, received_us: Micros, decoded: Decoded) -> None:
    text = payload.strip()
    if not text:
        decoded.rejects.append(
            make_reject(received_us, source, RejectReason.BLANK, "an empty payload says nothing", payload)
        )
    elif text.startswith(b"["):
        try:
            members = RAW.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            decoded.rejects.append(_refusal(text, source, received_us, error))
            return
        if not members:
            decoded.rejects.append(
                make_reject(received_us, source, RejectReason.BLANK, "an empty array says nothing", payload)
            )
        for member in members:
            _decode_object(bytes(member), source, received_us, decoded)
    else:
        _decode_object(text, source, received_us, decoded)


def _decode_object(text: bytes, source: str, received_us: Micros, decoded: Decoded) -> None:
    try:
        reading = ONE.decode(text)
        # What stands in an unknown field is not looked at: it may be more than JSON's reader takes.
        names = _FIELDS.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        decoded.rejects.append(_refusal(text, source, received_us, error))
        return
    decoded.readings.append(reading)
    known = set(reading.__struct_encode_fields__) | {"kind"}
    decoded.unknown_fields += [(reading.station, name) for name in names if name not in known]


def _refusal(text: bytes, source: str, received_us: Micros, error: Exception) -> Reject:
    if isinstance(error, RecursionError):
        return make_reject(
            received_us,
            source,
            RejectReason.TOO_DEEP,
            "nested too deep: a reading is flat",
            text[:MAX_KEPT_BYTES],
        )
    try:
        text.decode()
    except UnicodeDecodeError as bad:
        detail = f"not UTF-8 at byte {bad.start}: send JSON as UTF-8"
        return make_reject(received_us, source, RejectReason.NOT_TEXT, detail, text)
    try:
        msgspec.json.decode(text)
    except RecursionError:
        return _refusal(text, source, received_us, RecursionError())
    except msgspec.MsgspecError as bad_json:
        return make_reject(received_us, source, RejectReason.NOT_JSON, f"not JSON: {bad_json}", text)
    # The models name the field, the value and the rule; msgspec's own words serve where they would accept.
    detail = explain(text) or str(error)
    return make_reject(received_us, source, RejectReason.INVALID, detail, text)
