"""A real HTTP proxy on loopback before a real node, with faults that a test switches on.

The chain behind it is true; what a client gets of it is not. Every wait and every flood is bounded.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chains.devnode import DevNode

HOST = "127.0.0.1"
STALL_SECONDS_MAX = 20.0
_CHUNK = b" " * 65536


class Exchange:
    """One request at the proxy: what was asked, what the node truly answers, and ways to reply."""

    def __init__(self, handler: _Handler, request: bytes, proxy: FaultyProxy) -> None:
        self._handler = handler
        self._proxy = proxy
        self.request = request
        self.asked: Any = json.loads(request)
        self.stopped = proxy.stopped

    def truth(self) -> Any:
        """The node's own answer, parsed."""
        return json.loads(self._proxy.ask_node(self.request))

    def send_json(self, answer: Any) -> None:
        self.send(json.dumps(answer).encode())

    def send(
        self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, length: int = -1
    ) -> None:
        """`length` announces another size than the body's."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.send_header("Content-Length", str(len(body) if length < 0 else length))
        for name, value in (headers or {}).items():
            self._handler.send_header(name, value)
        self._handler.end_headers()
        self._handler.wfile.write(body)
        if length >= 0:
            self.hang_up()

    def send_raw(self, data: bytes) -> None:
        """Bytes in place of an HTTP answer; the connection stays open until `hang_up`."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()
        self._handler.close_connection = True

    def hang_up(self) -> None:
        self._handler.close_connection = True
        with contextlib.suppress(OSError):
            self._handler.wfile.flush()
            self._handler.connection.shutdown(socket.SHUT_RDWR)


Fault = Callable[[Exchange], None]


@dataclass
class FaultyProxy:
    """A proxy in front of `node`. Without a fault it passes every answer through, byte for byte."""

    node: DevNode
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    _fault: Fault | None = None
    _times: int | None = None
    _server: _Server | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def fail(self, fault: Fault, *, times: int | None = None) -> None:
        """Answer the next `times` requests (None: all) with this fault."""
        with self._lock:
            self._fault, self._times = fault, times

    def heal(self) -> None:
        self.fail(pass_on, times=0)

    def next_fault(self, request: bytes) -> Fault:
        with self._lock:
            self.requests.append(request)
            if self._fault is None or self._times == 0:
                return pass_on
            if self._times is not None:
                self._times -= 1
            return self._fault

    def ask_node(self, request: bytes) -> bytes:
        connection = http.client.HTTPConnection(HOST, self.node.port, timeout=30)
        try:
            connection.request("POST", "/", request, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def listen(self) -> None:
        """Accept connections, on the same port as before where there was one."""
        server = _Server((HOST, self.port), _Handler, self)
        self._server, self.port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def go_down(self) -> None:
        """Refuse connections from now on, and break the open ones."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.break_connections()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[_Handler], proxy: FaultyProxy) -> None:
        self.proxy = proxy
        self._connections: list[socket.socket] = []
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def break_connections(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up on a fault is what the tests want to see."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: two would wait for each other's acknowledgement.
    wbufsize = 1 << 16
    timeout = STALL_SECONDS_MAX
    server: _Server

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        proxy = self.server.proxy
        proxy.next_fault(request)(Exchange(self, request, proxy))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name.
        """Nothing: a test's output is its own."""


@contextlib.contextmanager
def faulty_proxy(node: DevNode) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(node)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.stopped.set()
        proxy.go_down()


# -- faults of the transport


def pass_on(exchange: Exchange) -> None:
    exchange.send_json(exchange.truth())


def drop(exchange: Exchange) -> None:
    """Closed before a single byte of an answer."""
    exchange.hang_up()


def half_answer(exchange: Exchange) -> None:
    body = json.dumps(exchange.truth()).encode()
    exchange.send(body[: len(body) // 2], length=len(body))


def half_json(exchange: Exchange) -> None:
    """Half an answer whose HTTP is in order."""
    body = json.dumps(exchange.truth()).encode()
    exchange.send(body[: len(body) // 2])


def not_http(exchange: Exchange) -> None:
    exchange.send_raw(bytes(range(256)))
    exchange.hang_up()


def body(content: bytes) -> Fault:
    """Any bytes as the body of a good HTTP answer."""
    return lambda exchange: exchange.send(content)


def status(code: int, *, content: bytes = b"", headers: Mapping[str, str] | None = None) -> Fault:
    return lambda exchange: exchange.send(content, status=code, headers=headers)


def flood(size: int, *, announced: bool) -> Fault:
    """So many bytes, with a Content-Length or in chunks."""

    def fault(exchange: Exchange) -> None:
        framing = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
        exchange.send_raw(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        for _ in range(0, size, len(_CHUNK)):
            exchange.send_raw(_CHUNK if announced else b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK))
        exchange.hang_up()

    return fault


def gzip_bomb(exchange: Exchange) -> None:
    """100 MB of blanks in 100 kB."""
    exchange.send(gzip.compress(b" " * 100_000_000, compresslevel=1), headers={"Content-Encoding": "gzip"})


def stall(exchange: Exchange) -> None:
    """Nothing at all, until the test is over."""
    exchange.stopped.wait(STALL_SECONDS_MAX)
    exchange.hang_up()


def drip(exchange: Exchange) -> None:
    """Always a next byte in time, never the last."""
    exchange.send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(int(STALL_SECONDS_MAX * 20)):
        if exchange.stopped.wait(0.05):
            break
        exchange.send_raw(b" ")
    exchange.hang_up()


def drip_header(exchange: Exchange) -> None:
    exchange.send_raw(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    for _ in range(int(STALL_SECONDS_MAX * 20)):
        if exchange.stopped.wait(0.05):
            break
        exchange.send_raw(b"a")
    exchange.hang_up()


# -- faults of the node


def rpc_error(code: int, message: str, *, method: str | None = None) -> Fault:
    """An error object for every call, or only for those of one method."""

    def fault(exchange: Exchange) -> None:
        error = {"code": code, "message": message}
        calls = exchange.asked if isinstance(exchange.asked, list) else [exchange.asked]
        if method is not None and all(call["method"] != method for call in calls):
            return pass_on(exchange)
        answers = [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in calls]
        return exchange.send_json(answers if isinstance(exchange.asked, list) else answers[0])

    return fault


def altered(change: Callable[[Any], Any]) -> Fault:
    """The whole parsed answer, changed."""
    return lambda exchange: exchange.send_json(change(exchange.truth()))


def altered_result(method: str, change: Callable[[Any], Any]) -> Fault:
    """The result of every call of one method, changed; other calls are answered truly."""

    def fault(exchange: Exchange) -> None:
        answers = exchange.truth()
        batch = isinstance(exchange.asked, list)
        methods = {call["id"]: call["method"] for call in (exchange.asked if batch else [exchange.asked])}
        for answer in answers if batch else [answers]:
            if methods[answer["id"]] == method and "result" in answer:
                answer["result"] = change(copy.deepcopy(answer["result"]))
        exchange.send_json(answers)

    return fault


def wrong_chain_id(exchange: Exchange) -> None:
    altered_result("eth_chainId", lambda _: "0xdead")(exchange)


def hidden_log(exchange: Exchange) -> None:
    """The last log of every answer is left out: the lie that a single node gets away with."""
    altered_result("eth_getLogs", lambda logs: logs[:-1])(exchange)


def capped_range(blocks_max: int, message: str, *, code: int = -32005) -> Fault:
    """An error for every eth_getLogs over more blocks than this, as many providers answer."""

    def fault(exchange: Exchange) -> None:
        asked = exchange.asked
        if isinstance(asked, dict) and asked["method"] == "eth_getLogs":
            window = asked["params"][0]
            if int(window["toBlock"], 16) - int(window["fromBlock"], 16) + 1 > blocks_max:
                return rpc_error(code, message)(exchange)
        return pass_on(exchange)

    return fault
