"""`python -m app.verifier`."""

from __future__ import annotations

import sys

from app.verifier.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], program="python -m app.verifier"))
