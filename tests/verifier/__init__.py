"""The offline verifier: what it accepts, and the forgeries that it rejects."""
