"""What each program may do with each table of the ledger: no more than what it does.

    S select   I insert   U update (also `select … for update`)   D delete

The owner of the tables migrates; nobody else makes, changes or drops one. That rows of the ledger proper are only ever
added holds in the database, too: nobody may update or delete them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from alerting.ledger import tables

_SERIAL = "sequence"
_WORDS = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}

PRIVILEGES: Mapping[str, Mapping[str, str]] = {
    "configure": {"bundles": "SI", "configurations": "SI"},
    "gateway": {"bundles": "S", "configurations": "S", "rejects": "SI", "told_locally": "SI"},
    "worker": {
        **dict.fromkeys(("findings", "alerts", "releases", "acts", "notices"), "SI"),
        **dict.fromkeys(("notice_alerts", "notice_decisions", "notice_states", "bundles"), "SI"),
        "decision_times": "SI",
        "checkpoint_heads": "SIU",
        **dict.fromkeys(("checkpoint_rows", "leases", "owed_acts"), "SIUD"),
        **dict.fromkeys(("receipts", "channel_references", "configurations"), "S"),
    },
    "dispatch": {
        **dict.fromkeys(("alerts", "releases", "acts", "findings", "bundles", "configurations"), "S"),
        **dict.fromkeys(("notices", "notice_alerts", "notice_decisions", "decision_times"), "S"),
        "told_locally": "S",
        **dict.fromkeys(("notice_states", "receipts", "channel_references"), "SI"),
        **dict.fromkeys(("leases", "owed_acts"), "SIUD"),
    },
    # It reads all that people may see, and takes players' receipts.
    "console": {
        **dict.fromkeys(("alerts", "releases", "acts", "findings", "bundles", "configurations"), "S"),
        **dict.fromkeys(("notices", "notice_alerts", "notice_decisions", "decision_times"), "S"),
        **dict.fromkeys(("rejects", "reject_replays", "channel_references", "checkpoint_heads"), "S"),
        **dict.fromkeys(("notice_states", "receipts"), "SI"),
        "leases": "SUD",
        "owed_acts": "SID",
    },
    "rejects": {"rejects": "S", "reject_replays": "SI", "bundles": "S"},
    # It exports the log, and compares all that was decided with its replay.
    "log": dict.fromkeys(
        (
            *("bundles", "configurations", "checkpoint_heads"),
            *("findings", "alerts", "notices", "notice_decisions"),
        ),
        "S",
    ),
}
"""By program, which is its command's name, and by table."""


def grant(connection: Connection, roles: Mapping[str, str]) -> None:
    """Give roles of PostgreSQL exactly what their programs do; what they had beside it is taken.

    Parameters
    ----------
    roles
        By program, the name of its role.
    """
    quote = connection.dialect.identifier_preparer.quote
    for program, role in roles.items():
        name = quote(role)
        statements = [
            f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}",
            f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {name}",
            f"GRANT SELECT ON alembic_version TO {name}",
        ]
        for table, letters in PRIVILEGES[program].items():
            words = ", ".join(_WORDS[letter] for letter in letters)
            statements.append(f"GRANT {words} ON {quote(table)} TO {name}")
            if "I" in letters and _SERIAL in tables.metadata.tables[table].c:
                statements.append(f"GRANT USAGE ON SEQUENCE {quote(f'{table}_{_SERIAL}_seq')} TO {name}")
        for statement in statements:
            connection.execute(text(statement))


def existing(connection: Connection, roles: Mapping[str, str]) -> dict[str, str]:
    """Those of some roles that there are."""
    found = connection.execute(
        text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)"), {"names": list(roles.values())}
    )
    there = set(found.scalars())
    return {program: role for program, role in roles.items() if role in there}
