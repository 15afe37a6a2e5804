"""Quittance: what a chain records of a debt, told so that the other side can check it."""
