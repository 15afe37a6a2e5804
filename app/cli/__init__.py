"""The terminal's door: the same powers as the HTTP door, without a server."""
