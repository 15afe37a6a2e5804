"""Questions without any record: what arrived at an account, and what one transaction did."""
