"""The command line: one file a command, loaded when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click

from schemas.errors import PlainError, plain

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("runtime.cli.demo", "the whole system in one process, on a simulated storm day, as an exercise"),
    "run": ("runtime.cli.run", "the embedded engine on real sources"),
    "relay": ("runtime.cli.relay", "the edge: holds readings until the engine has them in its log"),
    "migrate": ("runtime.cli.migrate", "Kafka: the ledger's schema, and what each program may do with it"),
    "configure": ("runtime.cli.configure", "Kafka: puts a configuration in force, in every area's log"),
    "gateway": ("runtime.cli.gateway", "Kafka: readings from MQTT and the topic readings into the topic log"),
    "worker": ("runtime.cli.worker", "Kafka: a Faust worker that runs the pipelines over the topic log"),
    "dispatch": ("runtime.cli.dispatch", "Kafka: claims due notices from the ledger and sends them"),
    "console": ("runtime.cli.console", "Kafka: the page and the API over the ledger that workers share"),
    "topics": ("runtime.cli.topics", "Kafka: makes the topics, and tells which are not as they should be"),
    "log": ("runtime.cli.log", "exports the log of each association area; holds the ledger against it"),
    "replay": (
        "runtime.cli.replay",
        "recorded readings or exported logs through the whole chain, repeatable to the byte",
    ),
    "simulate": ("runtime.cli.simulate", "a scenario's readings, and the truth about them"),
    "verify": ("runtime.cli.verify", "alerts against the truth: POD, FAR, CSI, lead times"),
    "check": ("runtime.cli.check", "every fault of a configuration, with file and line"),
    "areas": ("runtime.cli.areas", "official boundaries into a configuration"),
    "route": ("runtime.cli.route", "who would be told, by what, and why"),
    "cap": ("runtime.cli.cap", "an alert as CAP 1.2 XML"),
    "schema": ("runtime.cli.schema", "the JSON Schema of a shape, or AsyncAPI for all"),
    "alerts": ("runtime.cli.alerts", "what operators do, from a terminal"),
    "rejects": ("runtime.cli.rejects", "what could not be a reading: list it, replay it after mending"),
}
"""Name of each command, its file, and what it is for. The file's click command has the command's name."""

_SERVERS = ("sqlalchemy.", "kafka.", "aiokafka.")
"""Libraries of servers that a person can start or mend; named here so that `--help` need not load them."""


class _Fenghuo(click.Group):
    """Loads a command's file only when the command is called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])


@click.group(cls=_Fenghuo, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="fenghuo")
def fenghuo() -> None:
    """Fenghuo (烽火): readings in, warnings out, in four tiers.

    Every command exits with 0 when it is done, 1 when it found something wanting, 2 on wrong use.
    """


def main() -> None:
    """Run the command line; an error the user can mend is one plain line, never a traceback."""
    try:
        # Outside its standalone mode click returns the code of an Exit; a command that is done returns None.
        sys.exit(fenghuo(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (PlainError, OSError) as error:
        click.echo(f"fenghuo: {error}", err=True)
        sys.exit(2)
    except click.Abort:
        click.echo("fenghuo: stopped", err=True)
        sys.exit(130)
    except Exception as error:
        if not type(error).__module__.startswith(_SERVERS):
            raise
        click.echo(
            f"fenghuo: a server that the configuration names does not do its part: {plain(error)}", err=True
        )
        sys.exit(2)
