"""Whole deals, from the committed artifacts, by web3 on a real Anvil."""
