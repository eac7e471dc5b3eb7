"""Measurements, each with a target in `make`."""
