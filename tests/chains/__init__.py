"""Tests of chains/: what happened on chain."""
