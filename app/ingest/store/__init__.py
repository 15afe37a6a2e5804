"""Chain facts in the database, a module for each kind."""
