"""How our programs reach the servers that a configuration names: keyword arguments for each library's clients.

In      settings, and secrets from files or the environment
Out     for kafka-python, for Faust, for paho; and in one line why a server cannot be reached

kafka-python reads certificates of our own again at each connection; Faust and paho keep what was read at the start.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runtime.configuration.secrets import SecretMissing, read_secret
from runtime.configuration.settings import KafkaSettings
from runtime.servers.diagnosis import why_no_line
from schemas.errors import PlainError, plain

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

KAFKA_PASSWORD_VARIABLE = "FENGHUO_KAFKA_PASSWORD"
SCRAM = "SCRAM-SHA-512"


# By name, so that a program without Kafka starts without its library.
_REFUSED = {"SaslAuthenticationFailedError", "SaslAuthenticationFailed", "AuthenticationFailedError"}
_FORBIDDEN = {
    "TopicAuthorizationFailedError",
    "GroupAuthorizationFailedError",
    "ClusterAuthorizationFailedError",
    "TransactionalIdAuthorizationFailedError",
}


class KafkaRefused(PlainError):
    """Kafka cannot be reached, or does not let a program do its part."""


class MqttLine(Protocol):
    """What the settings of every MQTT broker have: the engine's, a relay's two."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def tls(self) -> bool: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def cert_file(self) -> Path | None: ...
    @property
    def key_file(self) -> Path | None: ...


_PROBES, _PROBE_MS = 5, 2_000


class _Refusals(logging.Handler):
    """Hears whether a user was refused."""

    def __init__(self) -> None:
        super().__init__()
        self.some = False

    def emit(self, record: logging.LogRecord) -> None:
        self.some = self.some or "SaslAuthenticationFailed" in record.getMessage()


class CertificateMissing(PlainError):
    """A certificate or key is not where a setting says, or is none."""


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """What a client of the Kafka cluster needs.

    Attributes
    ----------
    bootstrap
        `host:port` of some brokers; none where the configuration names none.
    security
        Keyword arguments of kafka-python's clients beside `bootstrap_servers`.
    username
        None on an open line.
    tls
        The line's encryption, for what is not kafka-python; None on an open line.
    """

    bootstrap: tuple[str, ...]
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)
    username: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: KafkaSettings, environment: Mapping[str, str]) -> KafkaAccess:
        """The access that settings ask for.

        Raises
        ------
        SecretMissing, CertificateMissing
            A password, certificate or key is not where it should be.
        """
        if settings.security == "PLAINTEXT":
            return cls(settings.bootstrap)
        password = read_secret(settings.sasl_password_file, KAFKA_PASSWORD_VARIABLE, environment)
        if password is None:
            raise SecretMissing(
                f"Kafka's user {settings.sasl_username} has no password; name brokers.kafka.sasl_password_file, or set"
                f" {KAFKA_PASSWORD_VARIABLE}"
            )
        security = {
            "security_protocol": settings.security,
            "sasl_mechanism": SCRAM,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": password,
            "ssl_cafile": _text(settings.ca_file),
            "ssl_certfile": _text(settings.cert_file),
            "ssl_keyfile": _text(settings.key_file),
        }
        tls = _context(settings.ca_file, settings.cert_file, settings.key_file, "brokers.kafka")
        return cls(settings.bootstrap, security, settings.sasl_username, tls)

    def faust_credentials(self) -> CredentialsT | None:
        """`broker_credentials` of a Faust application; None on an open line."""
        if self.tls is None:
            return None
        # Here, so that a program without Faust starts without it.
        import faust

        return faust.SASLCredentials(
            username=self.username,
            password=self.security["sasl_plain_password"],
            mechanism=SCRAM,
            ssl_context=self.tls,
        )

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Within it an error of Kafka's is one that says what to mend: for what a program does when it starts."""
        try:
            yield
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in {"kafka", "aiokafka"}:
                raise
            raise KafkaRefused(self.explain(error)) from error

    def explain(self, error: BaseException) -> str:
        """Why Kafka does not do what was asked, in one line: what, where, how to mend it.

        kafka-python says of a broker that it may not talk to only that time has run out, so the line is looked at again.
        """
        if _is(error, _REFUSED):
            return self._refusal()
        if _is(error, _FORBIDDEN):
            return f"Kafka forbids this to user {self.username}: {plain(error)}; give it the right (docs/how-to/secure.md)"
        return self.why_away() or plain(error)

    def why_away(self) -> str | None:
        """Why a client could not do its part just now: no line, or a user refused; None while one could.

        One broker that answers is enough.
        """
        reasons = []
        for address in self.bootstrap:
            host, _, port = address.rpartition(":")
            reason = why_no_line(host, int(port), self.tls)
            if reason is None:
                return self._refusal() if self._is_refused() else None
            reasons.append(f"Kafka at {address}: {reason}")
        return next(iter(reasons), None)

    def _refusal(self) -> str:
        return (
            f"Kafka at {','.join(self.bootstrap)} refuses user {self.username}: wrong name or password; mend"
            f" brokers.kafka.sasl_password_file ({KAFKA_PASSWORD_VARIABLE}), or the user on the brokers"
        )

    def _is_refused(self) -> bool:
        """Whether the brokers refuse the user, which kafka-python says in its log only while it makes a connection."""
        if self.username is None:
            return False
        from kafka.admin import KafkaAdminClient
        from kafka.errors import KafkaError

        heard = _Refusals()
        logger = logging.getLogger("kafka.net")
        logger.addHandler(heard)
        try:
            # A broker that refuses often hangs up before its word is read: several tries hear it.
            for _ in range(_PROBES):
                try:
                    KafkaAdminClient(
                        bootstrap_servers=list(self.bootstrap),
                        bootstrap_timeout_ms=_PROBE_MS,
                        **self.security,
                    ).close()
                except KafkaError as error:
                    if heard.some or _is(error, _REFUSED):
                        return True
                else:
                    return False
        finally:
            logger.removeHandler(heard)
        return False


def mqtt_tls(settings: MqttLine, section: str = "brokers.mqtt") -> ssl.SSLContext | None:
    """The encryption of the line to an MQTT broker, for paho's `tls_set_context`; None for an open line.

    Raises
    ------
    CertificateMissing
        A file is not where the settings say, or is no certificate.
    """
    if not settings.tls and settings.ca_file is None:
        return None
    return _context(settings.ca_file, settings.cert_file, settings.key_file, section)


def mqtt_explained(settings: MqttLine, tls: ssl.SSLContext | None) -> Callable[[], str]:
    """Says, when it is asked, why the broker of these settings cannot be reached."""
    return lambda: why_no_line(settings.host, settings.port, tls) or "it answers again"


def _is(error: BaseException | None, names: Collection[str]) -> bool:
    while error is not None:
        if type(error).__name__ in names:
            return True
        error = error.__cause__ or error.__context__
    return False


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _context(
    ca_file: Path | None, cert_file: Path | None, key_file: Path | None, section: str
) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_text(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise CertificateMissing(f"{section}.ca_file: {ca_file} {_unreadable(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        try:
            context.load_cert_chain(cert_file, key_file)
        except (OSError, ssl.SSLError) as error:
            files = cert_file if key_file is None else f"{cert_file} with {key_file}"
            raise CertificateMissing(f"{section}.cert_file: {files} {_unreadable(error)}") from error
    return context


def _unreadable(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "is no certificate in PEM, or its key does not belong to it"
    return f"cannot be read: {error.strerror}"
