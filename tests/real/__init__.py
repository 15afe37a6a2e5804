"""Tests on blocks recorded from real chains, which lie outside the repo."""
