"""Errors whose text is the whole message: what is wrong, where, and how to mend it."""

from __future__ import annotations


class PlainError(Exception):
    """A person can mend this: the command line prints the text alone, without a traceback."""
