"""Settings: fenghuo.yaml, which says where things run; no warning depends on it but for status and association tier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.channels.broadcast import BroadcastChannel
from alerting.channels.smpp import SmppSettings, SmsChannel
from alerting.channels.webhook import WebhookChannel, WebhookSettings
from ingest.sources.mqtt import MqttSettings
from runtime.configuration.documents import Document, validated
from runtime.configuration.faults import Faults
from schemas.alert import Status
from schemas.area import Tier
from schemas.times import Time

FILE = "fenghuo.yaml"
PROGRAM = "{program}"
"""Stands for the command that runs, so that one file serves all and each has a user of its own."""
Port = Annotated[int, Field(ge=1, le=65535)]
_AnySection = TypeVar("_AnySection", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ClockSettings(_Section):
    """A clock of its own for exercises, tests and old records (docs/exactness.md, rule 1)."""

    starts_at: Time
    """What the clock shows at `set_at`."""
    rate: float = Field(1.0, gt=0, le=100_000)
    """Its seconds a second of the machine."""
    set_at: Time | None = None
    """When, by the machine's clock, it shows `starts_at`; left out: when a process starts. Where several processes run,
    or one may be started again, name it, and all show the same."""


class KafkaSettings(_Section):
    """The Kafka cluster of the second engine."""

    bootstrap: tuple[str, ...] = ()
    """`host:port` of some of its brokers."""
    security: Literal["PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Kafka's own word for the line: open, or encrypted and with a user's name and password (SCRAM-SHA-512)."""
    sasl_username: str | None = None
    """The user; `{program}` in it stands for the command that runs, such as gateway."""
    sasl_password_file: Path | None = None
    """A file that holds the user's password, may name `{program}`; left out, FENGHUO_KAFKA_PASSWORD does."""
    ca_file: Path | None = None
    """The authority that signed the brokers' certificates, PEM; left out, those that the machine trusts."""
    cert_file: Path | None = None
    """A certificate of our own, PEM, where the brokers ask for one; may name `{program}`."""
    key_file: Path | None = None
    """The key of `cert_file`, PEM; left out, it stands in the same file."""

    @model_validator(mode="after")
    def _a_line_is_secured_as_a_whole(self) -> KafkaSettings:
        given = [
            name
            for name in ("sasl_username", "sasl_password_file", "ca_file", "cert_file", "key_file")
            if getattr(self, name) is not None
        ]
        if given and self.security == "PLAINTEXT":
            raise ValueError(f"{given[0]} is for security SASL_SSL; set that, or take it out")
        if self.security == "SASL_SSL" and self.sasl_username is None:
            raise ValueError("security SASL_SSL needs a sasl_username")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file is the key of a cert_file; name that too")
        return self


class Brokers(_Section):
    """Where messages come from and go to."""

    mqtt: MqttSettings | None = None
    """Left out: a broker inside the process, for demonstrations; it can lose messages."""
    kafka: KafkaSettings = KafkaSettings()


class Database(_Section):
    """Where log, checkpoints and ledger are kept."""

    folder: Path = Path("data")
    """Embedded engine: holds `log.db` and `state.db`; relative to where `fenghuo` is started."""
    url: str | None = None
    """Kafka deployment: PostgreSQL, `postgresql+psycopg://user@host/name`, without the password; `{program}` in it stands
    for the command that runs, and `?sslmode=verify-full&sslrootcert=FILE` behind it asks for an encrypted line."""
    password_file: Path | None = None
    """A file that holds the PostgreSQL user's password, may name `{program}`; left out, FENGHUO_DATABASE_PASSWORD does."""
    log_days: float = Field(30.0, gt=0)
    """How long log records behind the checkpoint are kept."""

    @model_validator(mode="after")
    def _without_password(self) -> Database:
        if self.url is None:
            return self
        place, _, query = self.url.partition("//")[2].partition("?")
        if ("@" in place and ":" in place.partition("@")[0]) or "password=" in query:
            raise ValueError(
                "url holds a password; take it out and name a password_file, or set FENGHUO_DATABASE_PASSWORD"
            )
        return self


class Ports(_Section):
    """Where this process listens."""

    address: str = "127.0.0.1"
    """The address on which it listens; 0.0.0.0 for all."""
    console: Port = 8080
    """Page, API, `/metrics` and `/health`."""
    broker: Port = 1883
    """The broker inside the process, where `brokers.mqtt` is left out."""
    token_file: Path | None = None
    """A file that holds the bearer token of `POST /v1/…`; left out, FENGHUO_TOKEN does; without both nothing is taken."""


class OfflineSettings(_Section):
    """A gateway that Kafka does not answer."""

    folder: Path = Path("data")
    """Holds `gateway-NAME.db`, what waits for Kafka; on a disk that outlives the process."""
    most_mb: float = Field(4096.0, gt=0)
    """How much may wait; above it nothing more is taken, and what is oldest stays."""
    after_s: float = Field(10.0, gt=0)
    """How long Kafka may leave something unanswered before the disk takes it."""
    local_warnings: bool = False
    """Run the pipelines over what comes while it is cut off, and tell people by this machine's own channels."""


class GatewaySettings(_Section):
    """`fenghuo gateway`."""

    offline: OfflineSettings | None = None
    """Left out: while Kafka does not answer nothing is taken, and senders keep what they have."""


class Page(_Section):
    """The console's page."""

    language: Literal["zh", "en"] = "zh"
    """What the page speaks; `?lang=zh` or `?lang=en` in its address overrides it."""


class Channels(_Section):
    """By what people are told. `broadcast` goes through the broker of `brokers.mqtt`."""

    sms: SmppSettings | None = None
    """Left out: no SMS is sent, and its notices are parked where an operator sees them."""
    webhook: WebhookSettings = WebhookSettings()


class Settings(_Section):
    """All of fenghuo.yaml."""

    status: Status = Status.ACTUAL
    """`actual`; `exercise` and `test` go to topics of their own and say so in every text."""
    association_tier: Tier = Tier.CITY
    """The tier of the areas whose stations are weighed together: one log and one pipeline each."""
    clock: ClockSettings | None = None
    """Left out: the machine's clock. Refused where the status is `actual`."""
    brokers: Brokers = Brokers()
    database: Database = Database()
    gateway: GatewaySettings = GatewaySettings()
    ports: Ports = Ports()
    page: Page = Page()
    channels: Channels = Channels()

    @model_validator(mode="after")
    def _own_clock_only_in_exercises(self) -> Settings:
        if self.clock is not None and self.status is Status.ACTUAL:
            raise ValueError("clock is for status exercise or test; take it out, or change the status")
        return self

    def of_program(self, program: str) -> Settings:
        """These settings as one command has them: its name in place of `{program}`, users and files of its own."""
        kafka, mqtt = self.brokers.kafka, self.brokers.mqtt
        brokers = Brokers(
            mqtt=None if mqtt is None else _filled_in(mqtt, program), kafka=_filled_in(kafka, program)
        )
        return self.model_copy(update={"brokers": brokers, "database": _filled_in(self.database, program)})


def _filled_in(section: _AnySection, program: str) -> _AnySection:
    named = {
        name: type(value)(str(value).replace(PROGRAM, program))
        for name, value in section
        if isinstance(value, (str, Path)) and PROGRAM in str(value)
    }
    return section.model_copy(update=named)


CHANNELS = (SmsChannel.name, BroadcastChannel.name, WebhookChannel.name)
"""The channels that recipients.csv may name."""


def read_settings(document: Document, faults: Faults) -> Settings | None:
    """The settings of a document; None where it has a fault."""
    return validated(document, (), document.content, Settings, faults)
