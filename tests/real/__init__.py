"""What real chains hold: tests on recorded blocks, which lie outside the repo (QUITTANCE_REAL_BLOCKS)."""
