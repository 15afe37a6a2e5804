"""Ethereum-like chains: reading a node, and the pure rules that give its answers a meaning."""
