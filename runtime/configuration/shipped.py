"""The place that ships: where it lies, for commands that are called without `--config`."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "bazhong"
"""Beside the code, whatever folder a command is called in; an installation without its checkout has none."""
SHIPPED_WORDS = "deploy/bazhong of the checkout"
"""What `--help` calls it."""
