"""Routing: who is told of an alert, by what, when, and who releases it. Pure."""

from alerting.routing.decide import Decider, Decision
from alerting.routing.policy import ReleaseRule, Route, RoutingPolicy
from alerting.routing.stage import Routing

__all__ = ["Decider", "Decision", "ReleaseRule", "Route", "Routing", "RoutingPolicy"]
