"""A JSON-RPC client for one node: batches, timeouts, retries, size limits, and the raw bytes kept.

Whatever goes wrong ends in a `chains.errors.NodeError`, never in an empty result. It knows no chain: what a
method means is the business of `chains.evm.client`.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Protocol, Self, TypeVar

import httpx2

from chains import jsonrpc
from chains.errors import (
    AnswerTooLarge,
    BadAnswer,
    ChainError,
    NodeError,
    NodeRateLimited,
    NodeTimeout,
    NodeUnreachable,
    RpcError,
)
from chains.guard import (
    EgressPolicy,
    GuardedTransport,
    Resolve,
    check_url,
    hide_secrets,
    redact_url,
    resolve_host,
)
from chains.jsonrpc import ErrorObject

T = TypeVar("T")

# It logs every URL whole at INFO, and the keys of RPC providers are in URLs.
logging.getLogger("httpx2").setLevel(logging.WARNING)

# A repeated write could act twice, so only these are sent again after a broken connection.
_REPEATABLE = (
    "eth_get",
    "eth_call",
    "eth_chainId",
    "eth_blockNumber",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_syncing",
    "debug_trace",
    "net_",
    "trace_",
    "web3_",
)
# Gateways say in these ways that the node behind them took too long.
_TIMEOUT_STATUSES = frozenset({408, 504, 524})


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcLimits:
    """What one request may cost. `total_seconds` bounds all attempts and the waits between them.

    `requests_at_once` is for all threads that share the node's client; a request waits for its turn before
    its own time begins.
    """

    timeout_seconds: float = 30.0
    connect_seconds: float = 5.0
    attempts: int = 4
    answer_bytes_max: int = 64 * 1024 * 1024
    retry_wait_seconds: float = 0.25
    retry_wait_seconds_max: float = 10.0
    total_seconds: float = 120.0
    requests_at_once: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcAnswer:
    """One call and its result, with the exact bytes that were sent and received.

    For a call in a batch `request` and `body` are those of the whole batch, exactly as they crossed the wire;
    `call_id` finds the call in them (`chains.jsonrpc.read_batch`).
    """

    call_id: int
    method: str
    params: tuple[Any, ...]
    # Left out of repr, and so of logs: a body may have 64 MiB.
    request: bytes = field(repr=False)
    body: bytes = field(repr=False)
    result: Any = field(repr=False)


class ReadAnswer(Protocol):
    """Reads the body of the answer to one call: its result, or the node's error object."""

    def __call__(self, body: bytes, *, call_id: int) -> Any | ErrorObject: ...


class _Transient(Exception):
    """Carries a failure that another attempt may mend, and how long the node asked us to wait."""

    def __init__(self, failure: NodeError, *, wait_seconds: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.wait_seconds = wait_seconds


class RpcClient:
    """One node behind one URL. Usable from several threads; close it, or use it as a context manager.

    `sleep`, `monotonic` and `resolve` are arguments so that a test need not wait, or own a name server.
    """

    def __init__(
        self,
        url: str,
        *,
        policy: EgressPolicy,
        limits: RpcLimits = RpcLimits(),
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._url = check_url(url)
        self._hide = partial(hide_secrets, url=url)
        self.node = redact_url(url)
        self.limits = limits
        self._sleep = sleep
        self._monotonic = monotonic
        self._ids = count(1)
        self._deadline = threading.local()
        self._turns = threading.BoundedSemaphore(limits.requests_at_once)
        self._http = httpx2.Client(
            transport=GuardedTransport(
                policy=policy, node=self.node, resolve=resolve, seconds_left=self._seconds_left
            ),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(limits.timeout_seconds, connect=limits.connect_seconds),
            headers={
                "content-type": "application/json",
                "accept": "application/json",
                # No compression: the size limit then counts real bytes, and the kept bytes are plain text.
                "accept-encoding": "identity",
                "user-agent": "quittance",
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, params: Sequence[Any] = ()) -> RpcAnswer:
        """One call. Raises a NodeError, RpcError among them."""
        return self.call_read(method, params, read=jsonrpc.read_answer)

    def call_read(self, method: str, params: Sequence[Any], *, read: ReadAnswer) -> RpcAnswer:
        """One call whose `result` is what `read` makes of the body and the id of the call.

        `read` returns a node's error as an ErrorObject and refuses with a ChainError: it sees the bytes
        first, so that a large answer is parsed once, into what is wanted of it.
        """
        call_id = next(self._ids)
        request = jsonrpc.encode_call(call_id=call_id, method=method, params=params)

        def attempt() -> RpcAnswer:
            body = self._post(request)
            result = self._result(self._read(lambda: read(body, call_id=call_id)))
            return RpcAnswer(
                call_id=call_id,
                method=method,
                params=tuple(params),
                request=request,
                body=body,
                result=result,
            )

        return self._repeat(attempt, repeatable=method.startswith(_REPEATABLE))

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[RpcAnswer]:
        """Several calls in one request, answered in the order of `calls`. One failed call fails the batch."""
        if not calls:
            return []
        by_id = {next(self._ids): call for call in calls}
        request = jsonrpc.encode_batch(by_id)

        def attempt() -> list[RpcAnswer]:
            body = self._post(request)
            outcomes = self._read(lambda: jsonrpc.read_batch(body, call_ids=by_id.keys()))
            if isinstance(outcomes, ErrorObject):
                outcomes = dict.fromkeys(by_id, outcomes)
            return [
                RpcAnswer(
                    call_id=call_id,
                    method=method,
                    params=tuple(params),
                    request=request,
                    body=body,
                    result=self._result(outcomes[call_id]),
                )
                for call_id, (method, params) in by_id.items()
            ]

        return self._repeat(attempt, repeatable=all(method.startswith(_REPEATABLE) for method, _ in calls))

    def _repeat(self, attempt: Callable[[], T], *, repeatable: bool) -> T:
        limits = self.limits
        end = self._monotonic() + limits.total_seconds
        made = 0
        while True:
            made += 1
            try:
                return self._in_turn(attempt, end=end)
            except _Transient as transient:
                wait = transient.wait_seconds
                if wait is None:
                    wait = limits.retry_wait_seconds * 2 ** (made - 1)
                wait = min(wait, limits.retry_wait_seconds_max)
                last = made >= limits.attempts or self._monotonic() + wait >= end
                # A node that asks us to wait has not acted, so even a write may be sent again.
                if last or not (repeatable or isinstance(transient.failure, NodeRateLimited)):
                    raise transient.failure from transient.failure.__cause__
            self._sleep(wait)

    def _in_turn(self, attempt: Callable[[], T], *, end: float) -> T:
        """Make the attempt once not too many others are under way at this node."""
        if not self._turns.acquire(timeout=max(0.0, end - self._monotonic())):
            detail = f"{self.limits.requests_at_once} earlier requests are still waiting for it"
            raise NodeTimeout(node=self.node, detail=detail)
        try:
            self._deadline.at = min(end, self._monotonic() + self.limits.timeout_seconds)
            return attempt()
        finally:
            self._turns.release()

    def _seconds_left(self) -> float:
        return float(self._deadline.at) - self._monotonic()

    def _post(self, request: bytes) -> bytes:
        """The body of one HTTP exchange, whole and within the limits."""
        try:
            with self._http.stream("POST", self._url, content=request) as response:
                body = self._receive(response)
                self._demand_status(response, body)
                return body
        except httpx2.ConnectTimeout as error:
            raise _Transient(self._failure(NodeUnreachable, "no connection in time", error)) from error
        except httpx2.TimeoutException as error:
            detail = f"no complete answer within {self.limits.timeout_seconds:g} s"
            raise self._failure(NodeTimeout, detail, error) from error
        except httpx2.ConnectError as error:
            raise _Transient(self._failure(NodeUnreachable, "no connection", error)) from error
        except httpx2.HTTPError as error:
            detail = "the connection broke before the answer was complete"
            raise _Transient(self._failure(NodeUnreachable, detail, error)) from error

    def _receive(self, response: httpx2.Response) -> bytes:
        most = self.limits.answer_bytes_max
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise BadAnswer(node=self.node, detail="the answer is compressed, which was not asked for")
        length = response.headers.get("content-length", "0")
        if length.isdecimal() and len(length) < 20 and int(length) > most:
            raise AnswerTooLarge(node=self.node, detail=f"announced {length} bytes; the limit is {most}")
        # Unlike a bytearray, it hands its bytes over without a copy.
        body = io.BytesIO()
        for chunk in response.iter_raw():
            body.write(chunk)
            if body.tell() > most:
                raise AnswerTooLarge(node=self.node, detail=f"sent more than the limit of {most} bytes")
        return body.getvalue()

    def _demand_status(self, response: httpx2.Response, body: bytes) -> None:
        status = response.status_code
        if status == 200:
            return
        if status == 429:
            failure: NodeError = NodeRateLimited(node=self.node, detail="answered HTTP status 429")
            raise _Transient(failure, wait_seconds=_retry_after(response.headers.get("retry-after", "")))
        failure = self._status_failure(status, body)
        if status >= 500 or status in _TIMEOUT_STATUSES:
            raise _Transient(failure, wait_seconds=_retry_after(response.headers.get("retry-after", "")))
        raise failure

    def _status_failure(self, status: int, body: bytes) -> NodeError:
        if 300 <= status < 400:
            return BadAnswer(
                node=self.node, detail=f"redirects (HTTP status {status}), which is not followed"
            )
        if status in _TIMEOUT_STATUSES:
            return NodeTimeout(node=self.node, detail=f"answered HTTP status {status}")
        # Some providers send a JSON-RPC error, with a hint in it, beside an HTTP status of 4xx or 5xx.
        error = jsonrpc.read_error(body)
        if error is not None:
            return RpcError(node=self.node, code=error.code, message=self._hide(error.message))
        return BadAnswer(node=self.node, detail=f"answered HTTP status {status}")

    def _read(self, reader: Callable[[], T]) -> T:
        try:
            return reader()
        except NodeError:
            raise
        except ChainError as error:
            raise self.bad_answer(error) from error

    def bad_answer(self, reason: Exception) -> BadAnswer:
        """What makes an answer unusable, as an error that names the node and repeats no key to it."""
        return BadAnswer(node=self.node, detail=self._hide(str(reason)))

    def _result(self, outcome: Any | ErrorObject) -> Any:
        if not isinstance(outcome, ErrorObject):
            return outcome
        if outcome.asks_to_wait:
            detail = f"answered error {outcome.code}: {self._hide(outcome.message)}"
            raise _Transient(NodeRateLimited(node=self.node, detail=detail))
        raise RpcError(node=self.node, code=outcome.code, message=self._hide(outcome.message))

    def _failure(self, kind: type[NodeError], detail: str, cause: Exception) -> NodeError:
        """A failure whose cause survives the retry loop."""
        failure = kind(node=self.node, detail=detail)
        failure.__cause__ = cause
        return failure


def _retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header. Its date form is not read: that would need the clock."""
    return float(value) if value.isdecimal() and len(value) <= 6 else None
