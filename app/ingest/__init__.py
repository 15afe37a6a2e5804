"""Chain to store: watched accounts, coverage, cursors, transfers."""
