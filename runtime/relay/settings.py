"""Settings of the relay: relay.yaml, which says where devices are heard and where the engine's broker is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.sources.mqtt import MqttSettings
from runtime.configuration.documents import read_document, validated
from runtime.configuration.faults import ConfigurationError, Faults

Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class EngineBroker(_Section):
    """The broker to which readings are forwarded, and on which the engine acknowledges."""

    host: str
    """Its name or address."""
    port: int = Field(1883, ge=1, le=65535)
    """Its port."""
    version: Literal["5", "3.1.1"] = "5"
    """Of MQTT."""
    client_id: str = Field("fenghuo-relay", min_length=1, max_length=64)
    """One for each relay: a broker drops the older of two connections with one id."""
    username: str | None = None
    """Left out where the broker lets everybody in."""
    password_file: Path | None = None
    """A file that holds the password; left out, FENGHUO_MQTT_PASSWORD does."""
    tls: bool = False
    """Encrypt the line; a broker whose certificate does not hold is not talked to. A `ca_file` asks for it too."""
    ca_file: Path | None = None
    """The authority that signed the broker's certificate, PEM; left out, those that the machine trusts."""
    cert_file: Path | None = None
    """A certificate of our own, PEM, where the broker asks for one."""
    key_file: Path | None = None
    """The key of `cert_file`, PEM; left out, it stands in the same file."""


class DevicesBroker(MqttSettings):
    """The local broker on which devices publish, set up as brokers.mqtt is; FENGHUO_DEVICES_PASSWORD may hold its password."""

    client_id: str = Field("fenghuo-relay", min_length=1, max_length=64)


class RelayPorts(_Section):
    """Where the relay listens: `POST /v1/readings`, `/health`, `/metrics`."""

    address: str = "127.0.0.1"
    """The address on which it listens; 0.0.0.0 for all."""
    http: Port = 8090
    """The port; 0 takes any free one."""
    token_file: Path | None = None
    """A file that holds the bearer token of `POST /v1/readings`; left out, FENGHUO_TOKEN does; without both nothing is taken."""


class RelaySettings(_Section):
    """All of relay.yaml."""

    engine: EngineBroker
    devices: DevicesBroker | None = None
    """The local broker on which devices publish; left out: HTTP only."""
    ports: RelayPorts = RelayPorts()
    folder: Path = Path("data/relay")
    """Holds `relay.db`; relative to where `fenghuo` is started."""
    most_mb: float = Field(1024, gt=0)
    """How much it holds, megabytes (10^6 bytes). Full, it takes nothing more: the oldest are kept, and senders keep the new."""
    resend_s: float = Field(10, gt=0)
    """How long an acknowledgement may be in coming before a reading goes again, seconds."""

    @model_validator(mode="after")
    def _two_brokers(self) -> RelaySettings:
        devices = self.devices
        if devices is not None and (devices.host, devices.port) == (self.engine.host, self.engine.port):
            raise ValueError("devices and engine are one broker: what is forwarded would come back; name two")
        return self


def read_relay_settings(path: Path) -> RelaySettings:
    """The settings of a file.

    Raises
    ------
    ConfigurationError
        With every fault, one a line.
    """
    faults = Faults()
    if not path.is_file():
        faults.add(path.name, 0, f"is no file ({path}); write it, or name another with --config.")
        raise ConfigurationError(faults)
    document = read_document(path.parent, path.name, faults)
    settings = validated(document, (), document.content, RelaySettings, faults)
    if settings is None or len(faults):
        raise ConfigurationError(faults)
    return settings
