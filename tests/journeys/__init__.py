"""From a debt to a verified bundle, on a real chain."""
