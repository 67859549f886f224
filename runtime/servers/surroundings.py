"""What a configuration asks of the machine around it: which clock, which database, which secrets."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from runtime.clock import Clock, MachineClock, SetClock
from runtime.configuration.secrets import read_secret
from runtime.configuration.settings import Settings
from schemas.times import to_micros

MQTT_PASSWORD_VARIABLE = "FENGHUO_MQTT_PASSWORD"
DATABASE_PASSWORD_VARIABLE = "FENGHUO_DATABASE_PASSWORD"


def clock_of(settings: Settings) -> Clock:
    """The clock that a configuration asks for; the machine's where it asks for none."""
    if settings.clock is None:
        return MachineClock()
    set_at = settings.clock.set_at
    return SetClock(
        to_micros(settings.clock.starts_at),
        settings.clock.rate,
        None if set_at is None else to_micros(set_at),
    )


def mqtt_password(settings: Settings, environment: Mapping[str, str]) -> str | None:
    """The password of the MQTT broker, from its file or from FENGHUO_MQTT_PASSWORD; None where there is none."""
    mqtt = settings.brokers.mqtt
    return None if mqtt is None else read_secret(mqtt.password_file, MQTT_PASSWORD_VARIABLE, environment)


def ledger_url(settings: Settings, environment: Mapping[str, str]) -> str:
    """Where the ledger is: PostgreSQL, or an SQLite file in the data folder."""
    database = settings.database
    if database.url is None:
        return str(database.folder / "state.db")
    password = read_secret(database.password_file, DATABASE_PASSWORD_VARIABLE, environment)
    if password is None:
        return database.url
    scheme, _, rest = database.url.partition("://")
    user, _, place = rest.partition("@")
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"
