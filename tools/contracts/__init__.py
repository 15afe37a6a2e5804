"""Testing the contracts: what `./run contracts` does, one module for each of its steps."""
