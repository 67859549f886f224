"""Configurations: a folder read, checked and made into one bundle.

`load` gives a configuration or raises with every fault; `examine` gives both.
"""

from runtime.configuration.faults import ConfigurationError, Fault, Faults
from runtime.configuration.loading import Configuration, examine, load
from runtime.configuration.policy import Policy
from runtime.configuration.settings import Settings

__all__ = ["Configuration", "ConfigurationError", "Fault", "Faults", "Policy", "Settings", "examine", "load"]
