"""Settings made into what clients take, and lines looked at: what does not stand is told in words that say what to mend."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaError, TopicAuthorizationFailedError
from pydantic import ValidationError
from sqlalchemy.engine import make_url

from deploy.security.authority import Authority
from ingest.sources.mqtt import MqttSettings
from runtime.configuration.loading import load
from runtime.configuration.secrets import SecretMissing
from runtime.configuration.settings import Database, KafkaSettings, Settings
from runtime.servers.connections import CertificateMissing, KafkaAccess, mqtt_explained, mqtt_tls
from runtime.servers.database import explained
from runtime.servers.diagnosis import why_no_line, why_no_postgres
from tests.servers.base import spare_port

SMALL = Path(__file__).parents[2] / "data" / "configurations" / "small"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Path]:
    folder = tmp_path_factory.mktemp("authority")
    return Authority.of(folder, datetime.now(UTC)), folder / "ca.pem"


@contextmanager
def tls_server(authority: Authority, folder: Path, begins: datetime, days: int, host: str) -> Iterator[int]:
    """Speaks TLS with a certificate of these days; yields its port."""
    pair = authority.issue("server", [host], begins, days)
    (folder / "pair.pem").write_bytes(pair.key + pair.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    line, _ = listener.accept()
                    line.settimeout(2)
                    with line, context.wrap_socket(line, server_side=True) as encrypted:
                        encrypted.recv(1)
                except OSError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("days_ago", "days", "host", "known", "why"),
    [
        (1, 30, "127.0.0.1", True, None),
        (60, 30, "127.0.0.1", True, "its certificate has expired; renew it on that server"),
        (-2, 30, "127.0.0.1", True, "its certificate is not valid yet; are both clocks right?"),
        (1, 30, "other.example", True, "its certificate is for another name"),
        (1, 30, "127.0.0.1", False, "its certificate is signed by an authority that we do not trust"),
    ],
)
def test_why_a_certificate_does_not_hold(
    authority, tmp_path: Path, days_ago: int, days: int, host: str, known: bool, why: str | None
) -> None:
    signs, ca_file = authority
    context = ssl.create_default_context(cafile=str(ca_file) if known else None)
    begins = datetime.now(UTC) - timedelta(days=days_ago)
    with tls_server(signs, tmp_path, begins, days, host) as port:
        said = why_no_line("127.0.0.1", port, context)
    assert (said is None) if why is None else (said is not None and said.startswith(why)), said


def test_what_is_not_there_and_what_speaks_in_clear(authority) -> None:
    context = ssl.create_default_context(cafile=str(authority[1]))
    port = spare_port()
    assert why_no_line("127.0.0.1", port, context) == "it does not answer: Connection refused"
    settings = MqttSettings(port=port, ca_file=authority[1])
    assert mqtt_explained(settings, context)() == "it does not answer: Connection refused"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = listener.getsockname()[1]

        def answer(word: bytes) -> None:
            line, _ = listener.accept()
            with line:
                line.recv(100)
                line.sendall(word)
                line.recv(100)

        for word, why, look in (
            (b"220 hello, stranger\r\n", "it speaks no TLS on this port", why_no_line),
            (b"N", "it offers no encryption; switch ssl on there", why_no_postgres),
        ):
            thread = threading.Thread(target=answer, args=(word,))
            thread.start()
            said = look("127.0.0.1", place, context)
            thread.join()
            assert said is not None
            assert said.startswith(why)


def test_files_that_are_missing_or_are_no_certificates_are_named(tmp_path: Path) -> None:
    missing, nonsense = tmp_path / "missing.pem", tmp_path / "nonsense.pem"
    nonsense.write_text("hello\n")
    with pytest.raises(
        CertificateMissing, match=r"brokers\.mqtt\.ca_file: .*missing\.pem cannot be read: No such"
    ):
        mqtt_tls(MqttSettings(ca_file=missing))
    with pytest.raises(CertificateMissing, match=r"ca_file: .*nonsense\.pem is no certificate in PEM"):
        mqtt_tls(MqttSettings(ca_file=nonsense))
    with pytest.raises(CertificateMissing, match=r"engine\.cert_file: .*nonsense\.pem is no certificate"):
        mqtt_tls(MqttSettings(tls=True, cert_file=nonsense), "engine")
    assert mqtt_tls(MqttSettings()) is None
    assert mqtt_tls(MqttSettings(tls=True)) is not None


def test_a_user_of_kafka_needs_a_password_which_no_text_repeats(authority) -> None:
    settings = KafkaSettings(
        bootstrap=("127.0.0.1:9093",), security="SASL_SSL", sasl_username="them", ca_file=authority[1]
    )
    with pytest.raises(SecretMissing, match="Kafka's user them has no password"):
        KafkaAccess.of(settings, {})
    access = KafkaAccess.of(settings, {"FENGHUO_KAFKA_PASSWORD": "hunter2"})
    assert access.security["sasl_plain_password"] == "hunter2"
    assert "hunter2" not in repr(access)
    credentials: Any = access.faust_credentials()
    assert (credentials.username, credentials.password) == ("them", "hunter2")
    assert KafkaAccess.of(KafkaSettings(), {}).faust_credentials() is None
    said = access.explain(TopicAuthorizationFailedError("{'log'}"))
    assert said.startswith("Kafka forbids this to user them:")
    with pytest.raises(Exception, match="no broker here") as raised, access.plainly():
        raise LookupError("no broker here")
    assert not isinstance(raised.value, KafkaError)


@pytest.mark.parametrize(
    ("model", "fields", "why"),
    [
        (KafkaSettings, {"sasl_username": "x"}, "sasl_username is for security SASL_SSL"),
        (KafkaSettings, {"security": "SASL_SSL"}, "needs a sasl_username"),
        (
            KafkaSettings,
            {"security": "SASL_SSL", "sasl_username": "x", "key_file": "k"},
            "key of a cert_file",
        ),
        (MqttSettings, {"key_file": "k", "tls": True}, "key of a cert_file"),
        (MqttSettings, {"cert_file": "c"}, "cert_file is for an encrypted line"),
        (Database, {"url": "postgresql://u@h/d?password=hunter2"}, "url holds a password"),
    ],
)
def test_half_secured_settings_are_faults(model, fields, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        model(**fields)


def test_one_file_gives_each_program_its_own_user(tmp_path: Path) -> None:
    for name in ("areas.csv", "stations.csv"):
        (tmp_path / name).write_bytes((SMALL / name).read_bytes())
    (tmp_path / "fenghuo.yaml").write_text(
        "brokers:\n"
        "  kafka: {security: SASL_SSL, sasl_username: 'f-{program}', sasl_password_file: '/p/kafka-{program}'}\n"
        "  mqtt: {username: 'f-{program}', password_file: '/p/mqtt-{program}'}\n"
        "database: {url: 'postgresql://f_{program}@h/d?sslmode=verify-full', password_file: '/p/db-{program}'}\n"
    )
    settings: Settings = load(tmp_path, "gateway").settings
    assert settings.brokers.kafka.sasl_username == "f-gateway"
    assert settings.brokers.kafka.sasl_password_file == Path("/p/kafka-gateway")
    assert settings.brokers.mqtt is not None
    assert settings.brokers.mqtt.username == "f-gateway"
    assert settings.brokers.mqtt.password_file == Path("/p/mqtt-gateway")
    assert settings.database.url == "postgresql://f_gateway@h/d?sslmode=verify-full"
    assert settings.database.password_file == Path("/p/db-gateway")
    assert "{program}" in str(load(tmp_path).settings.database.url)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('FATAL:  password authentication failed for user "u"', "refuses user u: wrong name or password"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4"', "does not let user u in over this line"),
        ("could not connect", "it does not answer: Connection refused"),
    ],
)
def test_what_postgresql_says_is_told_with_its_place(said: str, why: str) -> None:
    url = make_url(f"postgresql+psycopg://u:hunter2@127.0.0.1:{spare_port()}/d")
    words = explained(url)(Exception(said))
    assert words.startswith("PostgreSQL at 127.0.0.1:")
    assert why in words
    assert "hunter2" not in words
