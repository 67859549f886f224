"""Benchmarks: each compares this product with the bare library that does the same, in one run, as a ratio."""
