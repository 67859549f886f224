"""Receivers of our own, for the demo and the tests: a message centre, a loudspeaker, a webhook. Loopback only."""
