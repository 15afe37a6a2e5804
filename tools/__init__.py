"""What maintains the repo: locks, the test node, contract artifacts. Nothing that serves users imports it."""
