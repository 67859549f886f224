"""Makes and renews what secures a deployment: docs/how-to/secure.md.

    python -m deploy.security make --config DIR --out FOLDER …    authority, certificates, users, rights
    python -m deploy.security kafka --out FOLDER                   users and rights into a running Kafka
    python -m deploy.security renew --out FOLDER kafka             a new certificate

The folder holds every password of the deployment: keep it outside the checkout.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from deploy.security.deployment import SERVERS, Deployment, Server, apply_to_kafka, read, renew_client
from deploy.security.deployment import make as make_deployment
from deploy.security.deployment import renew as renew_server
from runtime.configuration.loading import load
from schemas.errors import PlainError

CERTIFICATE_DAYS = 397
ROOT = Path(__file__).resolve().parents[2]

_out = click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the deployment's secrets, outside the checkout.",
)
_days = click.option(
    "--days", default=CERTIFICATE_DAYS, show_default=True, help="How long certificates hold.", type=int
)


@click.group()
def security() -> None:
    """Make and renew what secures a deployment."""


@security.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="Folder of the configuration.")
@_out
@click.option("--kafka", "kafkas", multiple=True, default=["kafka:9092"], help="HOST:PORT of Kafka.")
@click.option("--mosquitto", "mosquittos", multiple=True, default=["mosquitto:8883"], help="HOST:PORT.")
@click.option("--postgres", "postgreses", multiple=True, default=["postgres:5432"], help="HOST:PORT.")
@click.option("--database", default="fenghuo", show_default=True, help="Name of PostgreSQL's database.")
@click.option(
    "--mount",
    type=click.Path(path_type=Path),
    help="Where programs and servers find FOLDER [default: FOLDER].",
)
@click.option("--integrator", "integrators", multiple=True, help="A user of Kafka who brings readings.")
@click.option("--subscriber", "subscribers", multiple=True, help="A user of Kafka who takes alerts.")
@click.option("--relay", "relays", multiple=True, metavar="NAME=STATION,…", help="A relay and its stations.")
@click.option(
    "--local-warnings",
    is_flag=True,
    help="Gateways warn by themselves while cut off, and speak to loudspeakers then.",
)
@click.option("--client-certificates", is_flag=True, help="Kafka asks its clients for one, too.")
@_days
def make(
    config: Path,
    folder: Path,
    kafkas: tuple[str, ...],
    mosquittos: tuple[str, ...],
    postgreses: tuple[str, ...],
    database: str,
    mount: Path | None,
    integrators: tuple[str, ...],
    subscribers: tuple[str, ...],
    relays: tuple[str, ...],
    local_warnings: bool,
    client_certificates: bool,
    days: int,
) -> None:
    """Make an authority, certificates, passwords and rights; run again it adds what is new, and changes no password.

    Every station of the configuration gets a password of its own, and every loudspeaker's player.
    """
    folder = folder.resolve()
    if folder.is_relative_to(ROOT):
        raise click.ClickException(f"{folder} lies in the checkout; name a folder outside it")
    configuration = load(config)
    players = {addresses.get("broadcast") for addresses in configuration.addresses.values()}
    wanted = Deployment(
        kafka=kafkas,
        mosquitto=mosquittos,
        postgres=postgreses,
        database=database,
        mount=mount or folder,
        stations=tuple(station.id for station in configuration.bundle.stations),
        players=tuple(sorted(address for address in players if address)),
        relays=dict(_relay(word) for word in relays),
        integrators=integrators,
        subscribers=subscribers,
        local_warnings=local_warnings,
        client_certificates=client_certificates,
    )
    make_deployment(folder, wanted, datetime.now(UTC), days)
    click.echo(f"{len(wanted.stations)} stations, {len(wanted.players)} players: {folder}")


@security.command()
@_out
@click.option("--bootstrap", multiple=True, help="HOST:PORT of Kafka [default: as it was made].")
def kafka(folder: Path, bootstrap: tuple[str, ...]) -> None:
    """Make the users of a running Kafka and give them their rights."""
    folder = folder.resolve()
    deployment = read(folder)
    for name in apply_to_kafka(folder, deployment, bootstrap or deployment.kafka):
        click.echo(name)


@security.command()
@_out
@click.argument("what", type=click.Choice([*SERVERS, "clients"]))
@click.option(
    "--from",
    "begins",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When it begins to hold, UTC [default: now].",
)
@_days
def renew(folder: Path, what: Server, begins: datetime | None, days: int) -> None:
    """Give a server, or all programs that show certificates, new ones; whoever has one has to read it again."""
    folder = folder.resolve()
    deployment = read(folder)
    first = datetime.now(UTC) if begins is None else begins.replace(tzinfo=UTC)
    if what in SERVERS:
        renew_server(folder, deployment, what, first, days)
        return
    for path in sorted((folder / "certificates").glob("*.pem")):
        renew_client(folder, path.stem, first, days)


def _relay(word: str) -> tuple[str, tuple[str, ...]]:
    name, _, stations = word.partition("=")
    if not name or not stations:
        raise click.BadParameter(f"{word!r} is not NAME=STATION,STATION", param_hint="--relay")
    return name, tuple(stations.split(","))


if __name__ == "__main__":
    try:
        sys.exit(security(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (PlainError, OSError) as error:
        click.echo(f"deploy.security: {error}", err=True)
        sys.exit(2)
