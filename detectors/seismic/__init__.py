"""Seismic: picks of single stations, and earthquakes from the picks of many."""
