"""What tests start and build: a test node, a database server, test contracts. Holds no test."""
