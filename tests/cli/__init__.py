"""The terminal's door: real processes with an environment and a data folder of their own."""
