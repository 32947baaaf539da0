"""Measurements: each prints a table against a floor, a baseline or a control of the same run."""
