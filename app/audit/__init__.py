"""The append-only log of every write that may matter in a dispute: entries, leaves, replay."""
