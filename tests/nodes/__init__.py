"""The reading suite on nodes that nobody here wrote: Anvil, Hardhat's, Ganache."""
