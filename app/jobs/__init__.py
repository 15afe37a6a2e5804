"""What is done in the background: rows that say so, and the one module that knows DBOS."""
