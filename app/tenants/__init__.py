"""Tenants, their API keys, and the record of requests already answered."""
