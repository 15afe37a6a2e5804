"""Every way in which asking a node can fail, each with the facts a person needs to act.

A failure is never an empty answer: whoever reads a chain turns one of these into a gap in the coverage.
"""

from __future__ import annotations

import re

# Clients disagree on the code of a method that they do not have, but they all say so.
_NO_SUCH_METHOD_CODE = -32601
# At most the method's name may come between, for "the method's block range is not supported" says less.
_NO_SUCH_METHOD = re.compile(
    r"\bmethod:?\s+(?:\S+\s+)?(?:is\s+|does\s+)?"
    r"(?:not\s+(?:found|supported|available|allowed|implemented|exist)|unsupported|unavailable)\b"
    r"|\b(?:unsupported|unknown)\s+method\b",
    re.IGNORECASE,
)


class ChainError(Exception):
    """A chain could not be read, or what came back can't be used."""


class BadIdentifier(ChainError, ValueError):
    """Text that is not the CAIP id, address or hash it should be.

    `suggestion` holds the correct form where there is one, such as the checksummed address (EIP-55).
    """

    def __init__(self, detail: str, *, suggestion: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.suggestion = suggestion


class NodeError(ChainError):
    """A named node failed. `node` is its URL without credentials, path or query."""

    def __init__(self, *, node: str, detail: str) -> None:
        super().__init__(f"node {node}: {detail}")
        self.node = node
        self.detail = detail


class NodeUnreachable(NodeError):
    """No connection, or it broke before an answer was complete."""


class NodeTimeout(NodeError):
    """The answer did not come within the allowed time."""


class NodeRateLimited(NodeError):
    """The node kept answering 429 for as long as we may wait."""


class AnswerTooLarge(NodeError):
    """The answer exceeded the size limit and was cut off."""


class BadAnswer(NodeError):
    """The bytes are not the JSON-RPC answer to what was asked: garbage, half an answer, a missing field."""


class RpcError(NodeError):
    """The node answered with a JSON-RPC error object."""

    def __init__(self, *, node: str, code: int, message: str) -> None:
        super().__init__(node=node, detail=f"answered error {code}: {message}")
        self.code = code
        self.message = message

    @property
    def method_is_missing(self) -> bool:
        """Whether the node does not have the method at all, so that another way has to be gone.

        Anvil says -32601 as the standard has it, Hardhat -32004, Ganache -32700, gateways -32000 or -32601.
        """
        return self.code == _NO_SUCH_METHOD_CODE or _NO_SUCH_METHOD.search(self.message) is not None


class WrongChain(NodeError):
    """The node serves another chain than the one it was configured for (EIP-695)."""

    def __init__(self, *, node: str, expected: int, actual: int) -> None:
        super().__init__(node=node, detail=f"serves chain {actual}, not {expected}")
        self.expected = expected
        self.actual = actual


class EgressBlocked(NodeError):
    """The egress guard refused the address behind a URL; nothing was sent."""
