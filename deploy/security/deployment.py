"""What a deployment is made of, and its folder: everything that the three servers and our programs read.

ca.pem ca.key            the authority; the key is needed to renew only, keep it elsewhere
kafka/                   server.pem for clients and internal.pem for brokers (certificate and key), secure.properties,
                         scram (the administrator of the first start)
mosquitto/               server.pem, server.key, passwords, acl, mosquitto.conf
postgres/                server.crt, server.key, roles.sql, pg_hba.conf
passwords/               kafka-<program>, mqtt-<program>, postgres-<program>, and those of clients
certificates/            <program>.pem and .key, where clients show certificates
stations.csv             id and password of every station, to be carried to the instruments
fenghuo.yaml             the sections `brokers` and `database` for our programs
deployment.json          what was asked for, so that it need not be said again
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from deploy.security import kafka, mosquitto, postgres
from deploy.security.authority import CERTIFICATE, Authority
from deploy.security.files import known_password, new_password, password, write_public, write_secret
from schemas.errors import PlainError

Server = Literal["kafka", "kafka-internal", "mosquitto", "postgres"]
SERVERS: tuple[Server, ...] = ("kafka", "kafka-internal", "mosquitto", "postgres")
FILE = "deployment.json"


class NoDeployment(PlainError):
    """A folder holds none."""


class Deployment(BaseModel):
    """What was asked for.

    Attributes
    ----------
    kafka, mosquitto, postgres
        `host:port` of each server as its clients reach it; the first is the one that our programs take.
    database
        The name of PostgreSQL's database.
    mount
        Where programs and servers find this folder; where it is, if they run beside it.
    stations, players
        Users of the MQTT broker, from the configuration.
    relays
        Name of a relay to the stations that it speaks for.
    integrators, subscribers
        Who brings readings by Kafka, and who takes alerts from it.
    local_warnings
        Whether gateways warn by themselves while they are cut off (`gateway.offline.local_warnings`).
    client_certificates
        Whether Kafka asks its clients for certificates beside passwords; stations have none, so Mosquitto does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka: tuple[str, ...]
    mosquitto: tuple[str, ...]
    postgres: tuple[str, ...]
    database: str
    mount: Path
    stations: tuple[str, ...] = ()
    players: tuple[str, ...] = ()
    relays: dict[str, tuple[str, ...]] = {}
    integrators: tuple[str, ...] = ()
    subscribers: tuple[str, ...] = ()
    local_warnings: bool = False
    client_certificates: bool = False


def read(folder: Path) -> Deployment:
    """The deployment of a folder.

    Raises
    ------
    NoDeployment
        There is none.
    """
    try:
        return Deployment.model_validate_json((folder / FILE).read_bytes())
    except FileNotFoundError as error:
        raise NoDeployment(
            f"{folder} holds no deployment; make one by `python -m deploy.security make`"
        ) from error


def make(folder: Path, wanted: Deployment, now: datetime, days: int) -> None:
    """Make what is missing, and write again what follows from the rest; passwords and certificates stay."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_public(folder / FILE, wanted.model_dump_json(indent=2) + "\n")
    Authority.of(folder, now)
    for server in SERVERS:
        if not _certificate(folder, server).exists():
            renew(folder, wanted, server, now, days)
    if wanted.client_certificates:
        for program in ("admin", *kafka.PROGRAMS, *_outsiders(wanted)):
            if not (folder / "certificates" / f"{program}.pem").exists():
                renew_client(folder, program, now, days)
    _make_kafka(folder, wanted)
    _make_mosquitto(folder, wanted)
    _make_postgres(folder, wanted)
    write_public(folder / "fenghuo.yaml", yaml.safe_dump(_settings(wanted), sort_keys=False))


def renew(folder: Path, wanted: Deployment, server: Server, begins: datetime, days: int) -> None:
    """Give a server a new certificate; it has to read it again."""
    addresses = getattr(wanted, server.partition("-")[0])
    hosts = list(dict.fromkeys(address.rpartition(":")[0] for address in addresses))
    name = kafka.BROKER if server == "kafka-internal" else f"fenghuo-{server}"
    pair = Authority.of(folder, begins).issue(name, hosts, begins, days)
    if server in {"kafka", "kafka-internal"}:
        write_secret(_certificate(folder, server), pair.key + pair.certificate)
        return
    write_secret(folder / server / "server.key", pair.key)
    write_public(_certificate(folder, server), pair.certificate)


def renew_client(folder: Path, program: str, begins: datetime, days: int) -> None:
    """Give a program a new certificate; it has to be started again."""
    pair = Authority.of(folder, begins).issue(f"fenghuo-{program}", [], begins, days)
    write_secret(folder / "certificates" / f"{program}.key", pair.key)
    write_public(folder / "certificates" / f"{program}.pem", pair.certificate)


def apply_to_kafka(folder: Path, wanted: Deployment, bootstrap: Sequence[str]) -> list[str]:
    """Make Kafka's users and give them their rights, as its administrator; return their names."""
    words = folder / "passwords"
    rights = {_user(program): kafka.program_rights(program) for program in kafka.PROGRAMS}
    rights |= {name: kafka.integrator_rights() for name in wanted.integrators}
    rights |= {name: kafka.subscriber_rights(name) for name in wanted.subscribers}
    users = {_user(program): known_password(words / f"kafka-{program}") for program in kafka.PROGRAMS}
    users |= {name: known_password(words / f"kafka-{name}") for name in _outsiders(wanted)}
    security = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": kafka.ADMIN,
        "sasl_plain_password": known_password(words / "kafka-admin"),
        "ssl_cafile": str(folder / CERTIFICATE),
    }
    if wanted.client_certificates:
        security["ssl_certfile"] = str(folder / "certificates" / "admin.pem")
        security["ssl_keyfile"] = str(folder / "certificates" / "admin.key")
    kafka.apply(bootstrap, security, users, rights)
    return list(users)


def _make_kafka(folder: Path, wanted: Deployment) -> None:
    words = folder / "passwords"
    for program in (*kafka.PROGRAMS, *_outsiders(wanted)):
        password(words / f"kafka-{program}")
    lines = kafka.properties(
        wanted.mount / "kafka" / "internal.pem",
        wanted.mount / "kafka" / "server.pem",
        wanted.mount / CERTIFICATE,
        client_certificates=wanted.client_certificates,
    )
    write_public(folder / "kafka" / "secure.properties", lines)
    admin = password(words / "kafka-admin")
    if not (folder / "kafka" / "scram").exists():
        write_secret(folder / "kafka" / "scram", kafka.scram(kafka.ADMIN, admin) + "\n")


def _make_mosquitto(folder: Path, wanted: Deployment) -> None:
    words, out = folder / "passwords", folder / "mosquitto"
    rights = {_user(program): lines for program, lines in mosquitto.PROGRAMS.items()}
    if wanted.local_warnings:
        rights[_user("gateway")] = (*mosquitto.PROGRAMS["gateway"], *mosquitto.PROGRAMS["dispatch"])
    users = {_user(program): password(words / f"mqtt-{program}") for program in mosquitto.PROGRAMS}
    for name, served in wanted.relays.items():
        rights[name] = mosquitto.relay_rights(served)
        users[name] = password(words / f"mqtt-{name}")
    rights |= {address: mosquitto.player_rights(address) for address in wanted.players}
    users |= _devices(folder / "players.csv", wanted.players)
    users |= _devices(folder / "stations.csv", wanted.stations)
    passwords = out / "passwords"
    before = passwords.read_text(encoding="utf-8") if passwords.exists() else ""
    write_secret(passwords, mosquitto.password_file(users, before))
    write_public(out / "acl", mosquitto.access_list(rights))
    port = int(wanted.mosquitto[0].rpartition(":")[2])
    text = mosquitto.configuration(wanted.mount / "mosquitto", wanted.mount / CERTIFICATE, port)
    write_public(out / "mosquitto.conf", text)


def _make_postgres(folder: Path, wanted: Deployment) -> None:
    words = {program: password(folder / "passwords" / f"postgres-{program}") for program in postgres.PROGRAMS}
    write_secret(folder / "postgres" / "roles.sql", postgres.roles_script(wanted.database, words))
    write_public(folder / "postgres" / "pg_hba.conf", postgres.HBA)


def _devices(path: Path, devices: Sequence[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    if path.exists():
        known = {row["id"]: row["password"] for row in csv.DictReader(path.read_text().splitlines())}
    made = {device: known.get(device) or new_password() for device in devices}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "password"])
    table.writerows(made.items())
    write_secret(path, text.getvalue())
    return made


def _settings(wanted: Deployment) -> dict[str, object]:
    mount = wanted.mount
    authority = str(mount / CERTIFICATE)
    shown: dict[str, str] = {}
    if wanted.client_certificates:
        shown = {
            "cert_file": str(mount / "certificates" / "{program}.pem"),
            "key_file": str(mount / "certificates" / "{program}.key"),
        }
    host, _, port = wanted.mosquitto[0].rpartition(":")
    return {
        "brokers": {
            "kafka": {
                "bootstrap": [wanted.kafka[0]],
                "security": "SASL_SSL",
                "sasl_username": _user("{program}"),
                "sasl_password_file": str(mount / "passwords" / "kafka-{program}"),
                "ca_file": authority,
                **shown,
            },
            "mqtt": {
                "host": host,
                "port": int(port),
                "username": _user("{program}"),
                "password_file": str(mount / "passwords" / "mqtt-{program}"),
                "ca_file": authority,
            },
        },
        "database": {
            "url": (
                f"postgresql+psycopg://{postgres.role('{program}')}@{wanted.postgres[0]}/{wanted.database}"
                f"?sslmode=verify-full&sslrootcert={authority}"
            ),
            "password_file": str(mount / "passwords" / "postgres-{program}"),
        },
    }


def _user(program: str) -> str:
    return f"fenghuo-{program}"


def _outsiders(wanted: Deployment) -> tuple[str, ...]:
    return (*wanted.integrators, *wanted.subscribers)


def _certificate(folder: Path, server: Server) -> Path:
    files = {"postgres": "postgres/server.crt", "kafka-internal": "kafka/internal.pem"}
    return folder / files.get(server, f"{server}/server.pem")
