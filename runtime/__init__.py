"""Wires stages to engines, and engines to the command line."""
