"""Which transfer pays which part of which debt: pure rules."""
