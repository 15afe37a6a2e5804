"""Parties, their accounts, and what is owed: recorded facts, with the basis of each."""
