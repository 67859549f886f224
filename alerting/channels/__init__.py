"""Channels: how a notice leaves for people and machines. One file a channel; none knows the ledger."""
