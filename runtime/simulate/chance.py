"""Chance with a name: the same scenario, seed and purpose always draw the same numbers."""

from __future__ import annotations

import hashlib

import numpy as np


def chance(scenario: str, seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for one purpose, so that more draws for one never shift another's.

    The bit generator is fixed (PCG64) because numpy may change what its default is.
    """
    digest = hashlib.sha256(f"{scenario}\x1f{seed}\x1f{purpose}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
