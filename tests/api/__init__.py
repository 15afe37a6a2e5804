"""The HTTP door: the real app over a real database, before a real node."""
