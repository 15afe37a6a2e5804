"""What arrived at an account: every endpoint is asked, the answers are joined, each inflow gets its flags."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

from app.assessment.inflow_values import (
    Criteria,
    Endpoint,
    EndpointAnswer,
    Inflow,
    Inflows,
    TokenShown,
    Window,
)
from app.assessment.inflows import Known, asset_of, flagged, joined, with_executions
from app.errors import Fault, InvalidInput
from app.inquiry.asking import Deadline, final_block, opened, read_tokens, said
from app.inquiry.reading import Progress, locate_window, look_into, read_endpoint
from app.inquiry.sources import NothingAnswered, Source
from app.money import AmountError, parse_units
from app.resources import Outside
from chains.errors import ChainError
from chains.evm.client import EvmClient
from chains.evm.execution import Execution
from chains.evm.token import read_token
from chains.types import Address, AssetId, BlockRef, Hash32

TRANSACTIONS_MAX = 1_000

# Given an endpoint, somewhere to show how far its reading has come.
Watch = Callable[[Endpoint], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Times are seconds since 1970; `until` None: up to the last final block."""

    account: Address
    since: int
    until: int | None
    criteria: Criteria
    seconds_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """An endpoint that named its final block."""

    endpoint: Endpoint
    client: EvmClient
    final: BlockRef


def check(
    *,
    question: Question,
    source: Source,
    outside: Outside,
    watch: Watch,
    monotonic: Callable[[], float] = time.monotonic,
) -> Inflows:
    """Raises InvalidInput, or NothingAnswered where no endpoint gave any answer."""
    deadline = Deadline(
        monotonic=monotonic, at=monotonic() + question.seconds_max, seconds=question.seconds_max
    )
    with ExitStack() as stack:
        reached, failed = _reach(source, outside=outside, stack=stack)
        window, reached, failed = _locate(question, source, reached, failed)
        tokens = dict(source.tokens) | _wanted_token(question.criteria, source, reached)
        answers = [_read(each, question, window, deadline=deadline, watch=watch) for each in reached]
        if all(each.read is None for each in answers):
            failures = [f"{each.endpoint.label}: {each.failure}" for each in [*answers, *failed]]
            raise NothingAnswered(source.chain, failures)
        executions, unread = _executions(answers, reached, deadline=deadline)
        inflows = with_executions(joined(answers), executions=executions, account=question.account)
        tokens |= _tokens(inflows, answers, reached, known=tokens, deadline=deadline)
    found = Inflows(
        chain=source.chain,
        chain_name=source.name,
        account=question.account,
        window=window,
        criteria=question.criteria,
        answers=tuple(sorted([*answers, *failed], key=lambda each: each.endpoint.number)),
        inflows=tuple(inflows),
        tokens=tokens,
        unread_transactions=unread,
        knows_registry=source.knows_registry,
    )
    known = Known(
        account=question.account,
        criteria=question.criteria,
        tokens=tokens,
        knows_registry=source.knows_registry,
        sent=found.sent,
    )
    return replace(found, inflows=tuple(flagged(inflows, known=known)))


def _reach(
    source: Source, *, outside: Outside, stack: ExitStack
) -> tuple[list[_Reached], list[EndpointAnswer]]:
    reached, failed = [], []
    for endpoint, url in source.endpoints:
        try:
            client = stack.enter_context(opened(source, url, outside=outside))
            reached.append(_Reached(endpoint=endpoint, client=client, final=final_block(client, source)))
        except ChainError as error:
            failed.append(_failed(endpoint, error))
    return reached, failed


def _failed(endpoint: Endpoint, error: ChainError) -> EndpointAnswer:
    return EndpointAnswer(endpoint=endpoint, final=None, read=None, failure=said(error, endpoint=endpoint))


def _locate(
    question: Question, source: Source, reached: Sequence[_Reached], failed: Sequence[EndpointAnswer]
) -> tuple[Window, list[_Reached], list[EndpointAnswer]]:
    """The window by the endpoint that has come furthest; one that fails at it is not asked any more."""
    left, out = sorted(reached, key=lambda each: -each.final.number), list(failed)
    while left:
        first = left[0]
        try:
            window = locate_window(
                first.client, since=question.since, until=question.until, final=first.final
            )
        except ChainError as error:
            out.append(_failed(first.endpoint, error))
            left = left[1:]
        else:
            return window, sorted(left, key=lambda each: each.endpoint.number), out
    raise NothingAnswered(source.chain, [f"{each.endpoint.label}: {each.failure}" for each in out])


def _read(
    each: _Reached, question: Question, window: Window, *, deadline: Deadline, watch: Watch
) -> EndpointAnswer:
    with watch(each.endpoint) as progress:
        return read_endpoint(
            each.client,
            endpoint=each.endpoint,
            account=question.account,
            window=window,
            final=each.final,
            deadline=deadline,
            progress=progress,
        )


def _wanted_token(
    criteria: Criteria, source: Source, reached: Sequence[_Reached]
) -> dict[AssetId, TokenShown]:
    """The token of --token, which has to be one; and --amount has to be an amount of it."""
    if criteria.token is None:
        return {}
    token = source.tokens.get(criteria.token) or _asked_token(criteria.token, source, reached)
    if token.decimals is None:
        detail = "At the last final block there is no contract here that answers decimals() as a token does."
        raise InvalidInput([Fault(pointer="--token", detail=detail)])
    if criteria.amount is not None:
        try:
            parse_units(criteria.amount, decimals=token.decimals)
        except AmountError as error:
            raise InvalidInput([Fault(pointer="--amount", detail=error.detail)]) from error
    return {criteria.token: token}


def _asked_token(asset: AssetId, source: Source, reached: Sequence[_Reached]) -> TokenShown:
    """By the first endpoint that can be asked: one that fails does not say that there is no token."""
    failures = []
    for each in reached:
        try:
            if asset.contract is not None:
                facts = read_token(each.client, asset.contract, each.final)
                return TokenShown(symbol=facts.symbol, decimals=facts.decimals)
        except ChainError as error:
            failures.append(f"{each.endpoint.label}: {said(error, endpoint=each.endpoint)}")
    raise NothingAnswered(source.chain, failures)


def _executions(
    answers: Sequence[EndpointAnswer], reached: Sequence[_Reached], *, deadline: Deadline
) -> tuple[dict[Hash32, Execution], int]:
    """The transactions of the inflows, each from an endpoint that returned it; and how many are missing."""
    found: dict[Hash32, Execution] = {}
    for each, answer in zip(reached, answers, strict=True):
        wanted = dict.fromkeys(one.tx_hash for one in answer.received)
        left = [tx_hash for tx_hash in wanted if tx_hash not in found]
        room = max(0, TRANSACTIONS_MAX - len(found))
        found |= look_into(each.client, left[:room], deadline=deadline)
    transfers = set().union(*(answer.received for answer in answers))
    return found, sum(each.tx_hash not in found for each in transfers)


def _tokens(
    inflows: Sequence[Inflow],
    answers: Sequence[EndpointAnswer],
    reached: Sequence[_Reached],
    *,
    known: Mapping[AssetId, TokenShown],
    deadline: Deadline,
) -> dict[AssetId, TokenShown]:
    """What the contracts of the list say of themselves, the most frequent first."""
    transfers = [each.transfer for each in inflows]
    transfers += [each for answer in answers for each in answer.sent]
    counted = Counter(asset_of(each) for each in transfers)
    left = [asset for asset, _ in counted.most_common() if asset not in known]
    found: dict[AssetId, TokenShown] = {}
    for each in reached:
        left = [asset for asset in left if asset not in found]
        if left:
            found |= read_tokens(each.client, left, block=each.final, deadline=deadline)
    return found
