"""Detectors: what readings show, as findings. Pure functions of the log, one file or folder a hazard."""
