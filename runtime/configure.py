"""Putting a configuration in force on the Kafka deployment: one act of one person, told to every area's log.

In      a configuration without faults
Out     its bundle in the ledger, a record in each association area's log, then the ledger's word that it is in force

Gateways and workers never do this by themselves: one that restarts late, with an old folder, would turn all back
(docs/exactness.md, rule 17).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from alerting.ledger import Configured, Ledger
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.logs.kafka import KafkaLog
from runtime.logs.topics import make_topics
from runtime.servers.connections import KafkaAccess
from schemas.bundle import Bundle
from schemas.errors import PlainError
from schemas.log import ConfigurationRecord
from schemas.times import rfc3339

_SHORT = 12


class NotInForce(PlainError):
    """A program was started with a configuration that the logs do not follow."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    told
        Association areas whose logs name it now; none where it was in force already.
    left
        Association areas of the one before that it has no more: their logs stay as they are.
    """

    told: tuple[str, ...]
    left: tuple[str, ...]


def configure(
    configuration: Configuration,
    ledger: Ledger,
    clock: Clock,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Put a configuration in force.

    Parameters
    ----------
    environment
        Where secrets are found.

    Raises
    ------
    LogFull
        Kafka does not take the records; given again, what is there already changes nothing.
    """
    bundle = configuration.bundle
    access = KafkaAccess.of(configuration.settings.brokers.kafka, environment)
    with access.plainly():
        make_topics(",".join(access.bootstrap), security=access.security)
    before = ledger.configuration()
    # First, so that no worker meets a record of a bundle that it cannot find.
    ledger.store_bundle(bundle.hash, bundle.canonical)
    now_us = clock.now_us()

    def tell_logs() -> None:
        with access.plainly():
            log = KafkaLog(access.bootstrap, access.security, access.explain)
        try:
            record = ConfigurationRecord(now_us, bundle.hash)
            log.append([(area, now_us, record) for area in bundle.associations])
        finally:
            log.close()

    if not ledger.configure(Configured(bundle.hash, now_us), tell_logs):
        return Outcome((), ())
    was = () if before is None else Bundle(ledger.load_bundle(before.hash)).associations
    return Outcome(bundle.associations, tuple(area for area in was if area not in bundle.associations))


def check_in_force(bundle: Bundle, configured: Configured | None) -> None:
    """Nothing where a bundle is the one that the logs follow.

    Raises
    ------
    NotInForce
        It is not: the words say what to do.
    """
    if configured is None:
        raise NotInForce(
            "no configuration is in force yet; put this one in force by `fenghuo configure DIR`, once, before the first"
            " gateway starts"
        )
    if configured.hash != bundle.hash:
        raise NotInForce(
            f"this configuration ({bundle.hash[:_SHORT]}) is not the one in force ({configured.hash[:_SHORT]}, since"
            f" {rfc3339(configured.at_us)}); start with the folder of that one, or put this one in force by"
            " `fenghuo configure DIR`"
        )
