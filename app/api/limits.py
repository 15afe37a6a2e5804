"""How large a request may be: a body is read whole before a key is asked for, so this comes first."""

from __future__ import annotations

from fastapi.exceptions import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import status_problem

# Room for the largest debt and the largest party, with their notes, many times over.
BODY_BYTES_MAX = 4 * 2**20
_DETAIL = f"A request's body has at most {BODY_BYTES_MAX} bytes."


class BodyLimit:
    """ASGI middleware: 413 for a body that is announced as too large, or turns out to be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > BODY_BYTES_MAX):
            await status_problem(status=413, detail=_DETAIL)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                raise HTTPException(413, detail=_DETAIL)
            return message

        await self._app(scope, counted, send)
