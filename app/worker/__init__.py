"""The door that no person opens: reading chains and sealing evidence in the background."""
