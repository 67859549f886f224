"""Valid readings of every kind at random, from the models' own JSON Schema: limits, zeroes and what lies between."""

from __future__ import annotations

from random import Random
from typing import Any

from schemas.reading import READING
from schemas.times import DAY, HOUR, MINUTE, Micros, rfc3339

SCHEMA: dict[str, Any] = READING.json_schema()
KINDS: dict[str, str] = SCHEMA["discriminator"]["mapping"]
_UNBOUNDED = 1e300
_AGES_US = (0, 0, 0, 1, 1000, MINUTE, 5 * MINUTE, HOUR, 2 * HOUR, DAY, 8 * DAY, 80 * DAY)
_RATES_HZ = (0.001, 0.1, 1.0, 5.0, 6.25, 8.0, 31.25, 50.0, 100.0, 500.0, 2000.0)


def reading(chance: Random, kind: str, now: Micros) -> dict[str, Any]:
    """One valid reading, observed now or some time ago; `station` and `area` are for the caller to set."""
    made: dict[str, Any] = _value(chance, {"$ref": KINDS[kind]}, "", now)
    if kind == "seismic" and chance.random() < 0.8:
        made["sample_rate_hz"] = chance.choice(_RATES_HZ)
    if kind in ("landslide", "weather"):
        made[{"landslide": "displacement_mm", "weather": "temperature_c"}[kind]] = chance.uniform(-50, 50)
    return made


def _value(chance: Random, schema: dict[str, Any], name: str, now: Micros) -> Any:
    if "$ref" in schema:
        return _value(chance, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], name, now)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    if "anyOf" in schema:
        return _value(chance, chance.choice(schema["anyOf"]), name, now)
    return _OF_TYPE[schema["type"]](chance, schema, name, now)


def _object(chance: Random, schema: dict[str, Any], _name: str, now: Micros) -> dict[str, Any]:
    needed = schema.get("required", ())
    return {
        name: _value(chance, field, name, now)
        for name, field in schema["properties"].items()
        if name in needed or chance.random() < 0.6
    }


def _number(chance: Random, schema: dict[str, Any], _name: str, _now: Micros) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -_UNBOUNDED))
    high = schema.get("maximum", schema.get("exclusiveMaximum", _UNBOUNDED))
    if "exclusiveMinimum" in schema:
        low += 1e-9 * max(1.0, abs(low))
    usual = (chance.gauss(0, 10), float(round(chance.uniform(0, 60))), 0.0, 1e-300, chance.uniform(low, high))
    return float(chance.choice((low, high, *(min(max(one, low), high) for one in usual))))


def _integer(chance: Random, schema: dict[str, Any], _name: str, _now: Micros) -> int:
    low, high = schema.get("minimum", 0), schema.get("maximum", schema.get("exclusiveMaximum", 2**63) - 1)
    return int(chance.choice((low, high, min(high, chance.randint(0, 5)))))


def _array(chance: Random, schema: dict[str, Any], name: str, now: Micros) -> list[Any]:
    if "prefixItems" in schema:
        return [_value(chance, item, name, now) for item in schema["prefixItems"]]
    if name == "samples":
        length = chance.choice((1, 2, 40, 500, 3000, 200_000 if chance.random() < 0.02 else 100))
        scale = chance.choice((0.0, 1e-6, 1.0, 1e3, 1e12))
        return [scale * chance.uniform(-1, 1) for _ in range(length)]
    length = chance.choice((schema.get("minItems", 0), 1, 3, 30, 1000 if chance.random() < 0.02 else 2))
    return [_value(chance, schema["items"], name, now) for _ in range(length)]


def _string(chance: Random, schema: dict[str, Any], name: str, now: Micros) -> str:
    if schema.get("format") == "date-time":
        return rfc3339(chance.choice((0, *(now - age for age in _AGES_US))))
    if name == "channel":
        return chance.choice(("HNZ", "HNN", "HNE", "BNZ", "A", "________"))
    length = chance.choice((schema.get("minLength", 0), 1, schema.get("maxLength", 5)))
    return "".join(chance.choice('ab 烽\x00\n"\\😀') for _ in range(length))


_OF_TYPE = {
    "object": _object,
    "number": _number,
    "integer": _integer,
    "array": _array,
    "string": _string,
    "null": lambda *_: None,
}
