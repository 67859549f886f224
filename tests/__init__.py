"""Tests mirror the tree: `tests/detectors/test_rain.py` tests `detectors/rain.py`."""
