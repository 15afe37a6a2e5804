"""Tests that take minutes: `./run long`."""
