"""Bundles, reports and their verification."""
