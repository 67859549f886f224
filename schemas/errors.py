"""Errors whose text is the whole message: what is wrong, where, and how to mend it."""

from __future__ import annotations


class PlainError(Exception):
    """A person can mend this: the command line prints the text alone, without a traceback."""


def plain(error: BaseException) -> str:
    """What an error says in one line, without what a database was given when it failed.

    SQLAlchemy's own text has the statement and its values; the driver's says what is wrong.
    """
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
