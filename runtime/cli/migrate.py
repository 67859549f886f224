"""`fenghuo migrate`: the schema of the PostgreSQL ledger, and who may do what with it."""

from __future__ import annotations

import os
from pathlib import Path

import click
from sqlalchemy.engine import make_url

from alerting.ledger.privileges import PRIVILEGES, existing, grant
from runtime.cli.service import config_option
from runtime.configuration.loading import load
from runtime.servers.database import open_ledger


@click.command()
@config_option
def migrate(folder: Path) -> None:
    """Bring the database of database.url to this release's schema, and give each program's role its rights.

    Runs as the tables' owner. Where `{program}` stands in database.url, the roles named so get exactly what their
    programs do; a role that is not there is passed over. Needed where programs may not change the schema themselves.
    """
    settings = load(folder).settings
    if settings.database.url is None:
        raise click.ClickException(
            "fenghuo.yaml: database.url names no PostgreSQL; the files of `fenghuo run` are migrated when it starts"
        )
    owner = settings.of_program("migrate")
    with open_ledger(owner, os.environ) as ledger:
        click.echo("the schema is this release's")
        roles = {program: _user(settings.of_program(program).database.url) for program in PRIVILEGES}
        roles = {program: role for program, role in roles.items() if role != _user(owner.database.url)}
        with ledger.database.write() as connection:
            there = existing(connection, roles)
            grant(connection, there)
    for program, role in roles.items():
        click.echo(f"{program:<10} {role}{'' if program in there else ': no such role, passed over'}")


def _user(url: str | None) -> str:
    return "" if url is None else make_url(url).username or ""
