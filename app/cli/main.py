"""`quittance …`: the commands, each in its own module.

What a word needs is imported when the word is said: verifying a bundle loads nothing of the service.
"""

from __future__ import annotations

import sys

from app.verifier import command as verifier


def main() -> None:
    if sys.argv[1:2] == ["verify"]:
        sys.exit(verifier.main(sys.argv[2:]))
    from app.cli.commands import app  # noqa: PLC0415 - see the module's docstring.
    from app.cli.output import configure_logs  # noqa: PLC0415

    # Before any word runs: structlog's own default is stdout, where a script expects nothing but the answer.
    configure_logs("console")
    app()


if __name__ == "__main__":
    main()
