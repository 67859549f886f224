"""Kafka's part: SCRAM users, who may do what, and the properties of a broker that asks for both.

Brokers and controllers know each other by certificates. Of the users, the administrator is there from the first start,
put in by `kafka-storage format --add-scram`; all others are made through it, so that users come and go without a format.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from runtime.logs.topics import DEAD, FINDINGS, LOG, READINGS, REJECTED, alerts_topic
from schemas.alert import Status
from schemas.area import TIERS
from schemas.errors import PlainError

BROKER, ADMIN = "fenghuo-broker", "fenghuo-admin"
ITERATIONS = 8192
_ALERTS = [alerts_topic(status, tier) for status in (Status.ACTUAL, Status.EXERCISE) for tier in TIERS]
TOPICS = (READINGS, REJECTED, LOG, FINDINGS, DEAD, *_ALERTS)


class KafkaRefused(PlainError):
    """The cluster did not take a user or a right."""


class Right(NamedTuple):
    """One line of an access list.

    Attributes
    ----------
    prefixed
        `name` is how the names begin for which it holds.
    """

    operation: str
    resource: str
    name: str
    prefixed: bool = False


def _on(operation: str, *topics: str) -> list[Right]:
    return [Right(operation, "TOPIC", topic) for topic in topics]


def _group(name: str) -> Right:
    return Right("READ", "GROUP", name)


PROGRAMS: Mapping[str, Sequence[Right]] = {
    "topics": [
        right for operation in ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS") for right in _on(operation, *TOPICS)
    ],
    "configure": _on("WRITE", LOG),
    "gateway": [*_on("WRITE", LOG, REJECTED), *_on("READ", READINGS), _group("fenghuo-gateway")],
    "worker": [
        *_on("READ", LOG),
        # To `log` for what concerns a neighbouring area.
        *_on("WRITE", LOG, FINDINGS, DEAD, *_ALERTS),
        _group("fenghuo-worker"),
    ],
    "dispatch": _on("WRITE", LOG),
    "console": _on("WRITE", LOG),
    "log": _on("READ", LOG, DEAD),
}
"""What each program of ours does, by the name of its command."""


def program_rights(program: str) -> list[Right]:
    """A program's rights: its own, and to see which topics there are."""
    return [*PROGRAMS[program], *_on("DESCRIBE", *TOPICS)]


def integrator_rights() -> list[Right]:
    """Who brings readings writes `readings`, and nothing else."""
    return _on("WRITE", READINGS)


def subscriber_rights(name: str) -> list[Right]:
    """Who takes alerts reads `alerts.<tier>` and `exercise.alerts.<tier>`, in groups whose names begin with its own."""
    return [*_on("READ", *_ALERTS), Right("READ", "GROUP", f"{name}-", prefixed=True)]


def scram(name: str, password: str) -> str:
    """A user as `kafka-storage format --add-scram` takes it, with the salted password in place of the password."""
    salt = os.urandom(24)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return (
        f'SCRAM-SHA-512=[name={name},iterations={ITERATIONS},salt="{base64.b64encode(salt).decode()}",'
        f'saltedpassword="{base64.b64encode(salted).decode()}"]'
    )


def properties(internal: Path, clients: Path, authority: Path, *, client_certificates: bool) -> str:
    """The lines of a broker's server.properties that secure it.

    Clients come by the listener SASL_SSL; brokers and controllers by BROKER and CONTROLLER, where both sides show
    certificates and are who the common names say. The two have certificates of their own, because a broker whose own
    line to the others has expired does not even start.

    Parameters
    ----------
    internal, clients
        Keys with their certificates for the lines between brokers and for those to clients, PEM.
    """
    lines = {
        "listener.security.protocol.map": "CONTROLLER:SSL,BROKER:SSL,SASL_SSL:SASL_SSL",
        "inter.broker.listener.name": "BROKER",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        # It only takes users here, and is none: a module without a name.
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(internal),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority),
        "listener.name.controller.ssl.client.auth": "required",
        "listener.name.broker.ssl.client.auth": "required",
        "listener.name.sasl_ssl.ssl.keystore.type": "PEM",
        "listener.name.sasl_ssl.ssl.keystore.location": str(clients),
        "listener.name.sasl_ssl.ssl.client.auth": "required" if client_certificates else "none",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{BROKER};User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def apply(
    bootstrap: Sequence[str],
    security: Mapping[str, Any],
    users: Mapping[str, str],
    rights: Mapping[str, Iterable[Right]],
) -> None:
    """Make users with their passwords, and give them their rights; what is there already stays.

    Parameters
    ----------
    security
        Of the administrator, as keyword arguments of kafka-python.
    users
        Name to password.

    Raises
    ------
    KafkaRefused
        The cluster did not take one of them.
    """
    admin = KafkaAdminClient(bootstrap_servers=list(bootstrap), **security)
    try:
        answered = admin.alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(
                    name, ScramMechanism.SCRAM_SHA_512, password, iterations=ITERATIONS
                )
                for name, password in users.items()
            ]
        )
        refused = [f"user {name}: {reason}" for name, reason in answered.items() if reason is not None]
        lines = [_acl(name, right) for name, some in rights.items() for right in some]
        failed = admin.create_acls(lines)["failed"]
    finally:
        admin.close()
    refused += [f"{acl}: {error}" for acl, error in failed]
    if refused:
        raise KafkaRefused(f"Kafka took not all: {'; '.join(refused)}")


def _acl(user: str, right: Right) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if right.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        principal=f"User:{user}",
        host="*",
        operation=ACLOperation[right.operation],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType[right.resource], right.name, pattern),
    )
