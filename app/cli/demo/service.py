"""The demo's own copy of the service: real HTTP on a free port of this machine, a database of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn

from app.errors import EnvironmentProblem
from app.main import create_app
from app.resources import Resources

START_SECONDS_MAX = 20


class ServiceSaysNo(EnvironmentProblem):
    """The demo's own request was refused: a fault of this software."""


@dataclass(frozen=True, slots=True)
class Api:
    """Requests with the operator's key."""

    client: httpx2.Client

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._answer(self.client.put(path, json=body))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._answer(self.client.post(path, json=body))

    def get(self, path: str) -> dict[str, Any]:
        return self._answer(self.client.get(path))

    @staticmethod
    def _answer(response: httpx2.Response) -> dict[str, Any]:
        if response.status_code >= 400:
            msg = f"{response.request.method} {response.request.url.path}: {response.text[:1000]}"
            raise ServiceSaysNo(msg)
        found: dict[str, Any] = response.json()
        return found


@contextmanager
def serving(resources: Resources, *, key: str) -> Iterator[Api]:
    """The API for as long as the context lasts. Reading and sealing are shown step by step, so no worker."""
    app = create_app(resources, with_worker=False)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            _wait(server, thread)
            with httpx2.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {key}"},
                timeout=60,
                trust_env=False,
            ) as client:
                yield Api(client)
        finally:
            server.should_exit = True
            thread.join(START_SECONDS_MAX)


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    for _ in range(START_SECONDS_MAX * 100):
        if server.started or not thread.is_alive():
            break
        time.sleep(0.01)
    if not server.started:
        msg = "The demo's own web service did not start."
        raise EnvironmentProblem(msg)
