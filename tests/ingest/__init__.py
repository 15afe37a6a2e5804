"""Reading chains into the store, on real nodes and through faults."""
