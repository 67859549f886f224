"""Replay: recorded readings or exported logs through the pipelines as fast as it goes, and what a ledger holds against it."""
