"""Lifecycle: findings and acts become alert chains, from first issue to end. Pure."""

from alerting.lifecycle.policy import LifecyclePolicy
from alerting.lifecycle.stage import Lifecycle

__all__ = ["Lifecycle", "LifecyclePolicy"]
