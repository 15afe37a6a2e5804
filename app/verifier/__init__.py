"""Verifying a bundle offline, alone: no network, no database, pure modules only."""
