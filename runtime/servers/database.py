"""The ledger's database as a program opens it: its URL with the password, and plain words where it refuses.

libpq says of a certificate only that it does not hold, so the line is looked at again; the words then stand in every
error of a connection, at the start and while a program runs.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from alerting.ledger import Ledger
from alerting.ledger.database import Database
from runtime.configuration.settings import Settings
from runtime.servers.diagnosis import why_no_postgres
from runtime.servers.surroundings import ledger_url
from schemas.errors import PlainError, plain

_FORBIDDEN = "42501"
_HOW = "database.url and database.password_file"


class LedgerRefused(PlainError):
    """The database does not let a program in, or does not let it do its part."""


def open_ledger(settings: Settings, environment: Mapping[str, str]) -> Ledger:
    """The ledger of these settings, its schema at this release's.

    Raises
    ------
    LedgerRefused
        PostgreSQL cannot be reached, refuses the user, or has another schema that this user may not change.
    """
    address = ledger_url(settings, environment)
    if settings.database.url is None:
        return Ledger.open(address)
    url = make_url(address)
    try:
        return Ledger.open(address, explained(url))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _FORBIDDEN:
            raise LedgerRefused(
                f"{_place(url)} forbids user {url.username}: {plain(error)}; is the schema this release's? run"
                " `fenghuo migrate` as its owner, which gives each program its rights"
            ) from error
        raise LedgerRefused(plain(error)) from error


def ledger_met_later(settings: Settings, environment: Mapping[str, str]) -> Ledger:
    """The ledger of these settings, not looked at yet: for a program that must start while it is away."""
    address = ledger_url(settings, environment)
    return Ledger(Database(address, explained(make_url(address))))


def explained(url: URL) -> Callable[[Exception], str]:
    """Says what an error of a connection to this database means for whoever mends it."""

    def explain(error: Exception) -> str:
        said = str(error)
        if "password authentication failed" in said or "no password supplied" in said:
            return f"{_place(url)} refuses user {url.username}: wrong name or password; mend {_HOW}, or the role there"
        if "no pg_hba.conf entry" in said or "pg_hba.conf rejects" in said:
            return (
                f"{_place(url)} does not let user {url.username} in over this line: does it ask for an encrypted one"
                " (?sslmode=verify-full in database.url), or lack the user in its pg_hba.conf?"
            )
        mode = str(url.query.get("sslmode", "prefer"))
        reason = why_no_postgres(url.host or "127.0.0.1", url.port or 5432, _encryption(url, mode))
        if reason is not None:
            return f"{_place(url)}: {reason}"
        return f"{_place(url)}: {plain(error)}"

    return explain


def _place(url: URL) -> str:
    return f"PostgreSQL at {url.host}:{url.port or 5432}"


def _encryption(url: URL, mode: str) -> ssl.SSLContext | None:
    if mode not in {"verify-ca", "verify-full"}:
        return None
    authority = url.query.get("sslrootcert")
    try:
        context = ssl.create_default_context(cafile=None if authority in {None, "system"} else str(authority))
    except (OSError, ssl.SSLError):
        return None  # libpq names the file in its own words
    context.check_hostname = mode == "verify-full"
    return context
