"""What happened on chain. Knows nothing of debts."""
