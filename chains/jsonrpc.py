"""JSON-RPC 2.0 on bytes: requests written, answers read with distrust. https://www.jsonrpc.org/specification

Pure, standard library only, so that the offline verifier reads enclosed answers with the same code. It knows
no network: `chains.rpc` sends the bytes and names the node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from chains.errors import ChainError
from chains.json_depth import is_shallow

# Messages are a node's own words: they are printed and stored, so they are cut and made printable.
_MESSAGE_CHARS_MAX = 500

# Traces of calls nest deepest of all answers: the EVM allows 1,024 calls, real contracts use a few dozen.
_DEPTH_MAX = 256

_RATE_LIMIT_CODES = frozenset({429, -32005})
# Some providers say -32005 for an answer that is too large or too slow, too: asking again can't help there.
_TOO_MUCH = re.compile(r"blocks? range|results|response size|logs|time-?out", re.IGNORECASE)


class MalformedAnswer(ChainError):
    """The bytes are not the JSON-RPC answer to the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorObject:
    """A JSON-RPC error, with its message cut to a printable length."""

    code: int
    message: str

    @property
    def asks_to_wait(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.code in _RATE_LIMIT_CODES and _TOO_MUCH.search(self.message) is None


def encode_call(*, call_id: int, method: str, params: Sequence[Any]) -> bytes:
    return _dump(_request(call_id, method, params))


def encode_batch(calls: Mapping[int, tuple[str, Sequence[Any]]]) -> bytes:
    """A batch of calls by id."""
    return _dump([_request(call_id, method, params) for call_id, (method, params) in calls.items()])


def decode_json(body: bytes) -> Any:
    """Strict JSON: UTF-8, no duplicate keys, no NaN or Infinity, bounded depth and numbers."""
    if not is_shallow(body, depth_max=_DEPTH_MAX):
        msg = f"nested deeper than {_DEPTH_MAX}: {len(body)} bytes that begin {body[:40]!a}"
        raise MalformedAnswer(msg)
    try:
        text = body.decode("utf-8")
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        # ValueError also stands for a bad byte and for an integer of more than 4,300 digits.
        msg = f"not JSON: {type(error).__name__} in {len(body)} bytes that begin {body[:40]!a}"
        raise MalformedAnswer(msg) from error


def read_answer(body: bytes, *, call_id: int) -> Any | ErrorObject:
    """The result of a single call, or the node's error object."""
    return _outcome(decode_json(body), ids=(call_id,))[1]


def read_batch(body: bytes, *, call_ids: Collection[int]) -> dict[int, Any | ErrorObject] | ErrorObject:
    """The outcome of each call of a batch, by id; or one error object for the whole batch.

    A batch may be answered in any order, but each call exactly once and nothing else (section 6).
    """
    answers = decode_json(body)
    if isinstance(answers, dict):
        outcome = _outcome(answers, ids=())[1]
        if isinstance(outcome, ErrorObject):
            return outcome
    if not isinstance(answers, list):
        msg = "a batch is answered by an array"
        raise MalformedAnswer(msg)
    outcomes: dict[int, Any | ErrorObject] = {}
    for answer in answers:
        call_id, outcome = _outcome(answer, ids=call_ids)
        if call_id is None:
            msg = "an answer in a batch has no id"
            raise MalformedAnswer(msg)
        if call_id in outcomes:
            msg = f"call {call_id} is answered twice"
            raise MalformedAnswer(msg)
        outcomes[call_id] = outcome
    if len(outcomes) != len(call_ids):
        msg = f"{len(outcomes)} of {len(call_ids)} calls are answered"
        raise MalformedAnswer(msg)
    return outcomes


def read_error(body: bytes) -> ErrorObject | None:
    """The error object in the body of a failed HTTP exchange, whichever call it names, if there is one."""
    try:
        answer = decode_json(body)
        return _error_object(answer["error"]) if isinstance(answer, dict) and "error" in answer else None
    except MalformedAnswer:
        return None


def _request(call_id: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "method": method, "params": list(params)}


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def _outcome(answer: Any, *, ids: Collection[int]) -> tuple[int | None, Any | ErrorObject]:
    """The id and the result or error of one answer object. Only an error may come without an id."""
    if not isinstance(answer, dict):
        msg = "an answer is an object"
        raise MalformedAnswer(msg)
    if answer.get("jsonrpc") != "2.0":
        msg = "not JSON-RPC 2.0"
        raise MalformedAnswer(msg)
    # Some nodes send `"error": null` beside a result, which JSON-RPC 1.0 asked for.
    error = answer.get("error")
    if ("result" in answer) == (error is not None):
        msg = "an answer has either a result or an error"
        raise MalformedAnswer(msg)
    call_id = answer.get("id")
    if call_id is None and error is not None:
        return None, _error_object(error)
    # `True == 1` in Python, and 1.0 too: only an integer is an id of ours.
    if type(call_id) is not int or call_id not in ids:
        msg = "the answer is to another call"
        raise MalformedAnswer(msg)
    return call_id, answer["result"] if error is None else _error_object(error)


def _error_object(error: Any) -> ErrorObject:
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if type(code) is not int or not -(2**31) <= code < 2**31 or not isinstance(message, str):
        msg = "an error object has an integer code and a message"
        raise MalformedAnswer(msg)
    printable = "".join(char if char.isprintable() else " " for char in message[:_MESSAGE_CHARS_MAX])
    return ErrorObject(code=code, message=printable)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two readers of one file could then see two different facts.
        msg = "duplicate key"
        raise ValueError(msg)
    return found


def _constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
