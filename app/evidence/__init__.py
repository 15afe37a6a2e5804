"""Sealed bundles: their format, their making, their report."""
