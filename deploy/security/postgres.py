"""PostgreSQL's part: a role a program, who may connect, and nothing but encrypted lines.

What a role may do with which table is given by `fenghuo migrate`, behind each change of the schema.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping

from alerting.ledger.privileges import PRIVILEGES

OWNER = "migrate"
PROGRAMS = (OWNER, *PRIVILEGES)
"""Programs that have a role, by the names of their commands; the first owns the tables."""

_ITERATIONS = 4096

HBA = """\
# Made by deploy/security: from elsewhere encrypted and with a password only; the server's own user on its own machine.
local   all  postgres                 peer
hostssl all  all       0.0.0.0/0      scram-sha-256
hostssl all  all       ::/0           scram-sha-256
hostnossl all all      0.0.0.0/0      reject
hostnossl all all      ::/0           reject
"""


def role(program: str) -> str:
    """The name of a program's role."""
    return f"fenghuo_{program}"


def roles_script(database: str, passwords: Mapping[str, str]) -> str:
    """SQL that makes the roles, or gives them new passwords, and closes the database to all others.

    To be run by a superuser in that database, any number of times.

    Parameters
    ----------
    passwords
        By program.
    """
    owner, roles = role(OWNER), ", ".join(role(program) for program in passwords)
    return "\n".join(
        [
            "-- Made by deploy/security. Passwords stand here as SCRAM verifiers only.",
            *(line for program, word in passwords.items() for line in _make(role(program), word)),
            f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;",
            f"GRANT CONNECT ON DATABASE {database} TO {roles};",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
            f"GRANT USAGE ON SCHEMA public TO {roles};",
            f"GRANT CREATE ON SCHEMA public TO {owner};",
            "",
        ]
    )


def _make(name: str, password: str) -> list[str]:
    return [
        f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        f"ALTER ROLE {name} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{_verifier(password)}';",
    ]


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803; 53.10 of its manual); ours are ASCII and need no SASLprep."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{words[0]}${words[1]}:{words[2]}"
