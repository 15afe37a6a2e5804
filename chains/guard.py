"""The egress guard: a URL that a user supplied must not reach into the operator's own network.

Every connection resolves its host once, checks *every* address, and connects to a checked one, so that a name
can't be rebound between check and use. Redirects, proxies from the environment and Unix sockets are off. An
operator allows nodes of his own with `EgressPolicy.parse`. It knows HTTP, but nothing of JSON-RPC.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

import httpcore2
import httpx2

from chains.errors import ChainError, EgressBlocked

Resolve = Callable[[str, int], Sequence[str]]

_URL_CHARS_MAX = 2048
# The 64 KiB that httpcore2 asks for at once cost more time than the answer itself. Not for TLS, which hands
# over 16 KiB at most and would set aside the rest in vain.
_READ_BYTES = 1 << 20
_CONNECT_TRIES_MAX = 3
_ENTRY = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:./]+)\]|(?P<four>[^\s:\[\]]+)):(?P<port>[1-9][0-9]{0,4})")
# A last label of digits would be read as an IPv4 address by some resolvers.
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]*[a-z_-][a-z0-9_-]*")

_SEPARATORS = re.compile(r"[/?&=#;,]")
# Shorter parts, such as v3, are in every message, and no key is that short.
_KEY_CHARS_MIN = 6

# Anything else in a host, such as escapes or a zone index, is somebody trying something.
_PLAIN_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")

# Written out, because the verdicts of `ipaddress` changed between Python releases.
# https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
_INSIDE: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "reserved"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")


class BadAllowRule(ChainError, ValueError):
    """An entry of the operator's allow list that names no host or network with a port."""

    def __init__(self, *, entry: str, index: int) -> None:
        super().__init__(
            f"entry {index + 1} of the egress allow list is {entry[:80]!a}; "
            "expected host:port, 10.0.0.0/8:port or [fd00::/8]:port"
        )
        self.entry = entry
        self.index = index


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRule:
    """One host name or one network, at one port. A name allows whatever it resolves to."""

    host: str | None
    network: IPv4Network | IPv6Network | None
    port: int

    @classmethod
    def parse(cls, entry: str, *, index: int = 0) -> AllowRule:
        match = _ENTRY.fullmatch(entry)
        if match is None or int(match["port"]) > 65535:
            raise BadAllowRule(entry=entry, index=index)
        port = int(match["port"])
        try:
            return cls(host=None, network=ip_network(match["six"] or match["four"]), port=port)
        except ValueError:
            host = (match["four"] or "").lower()
            if _HOST.fullmatch(host) is None:
                raise BadAllowRule(entry=entry, index=index) from None
            return cls(host=host, network=None, port=port)

    def allows_host(self, host: str, port: int) -> bool:
        return self.port == port and self.host is not None and self.host == host.lower().rstrip(".")

    def allows_address(self, address: IPv4Address | IPv6Address, port: int) -> bool:
        return self.port == port and self.network is not None and address in self.network


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Which addresses may be connected to: public ones, and those that the operator allows."""

    allow: tuple[AllowRule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> EgressPolicy:
        """From `127.0.0.1:8545, 10.0.0.0/8:8545, [::1]:8545, anvil:8545`. Raises BadAllowRule."""
        entries = text.replace(",", " ").split()
        return cls(tuple(AllowRule.parse(entry, index=index) for index, entry in enumerate(entries)))

    def demand(self, *, node: str, host: str, port: int, addresses: Iterable[str]) -> None:
        """Raise EgressBlocked unless *every* address may be connected to: one bad address spoils a name."""
        if any(rule.allows_host(host, port) for rule in self.allow):
            return
        for text in addresses:
            address = ip_address(text)
            if any(rule.allows_address(address, port) for rule in self.allow):
                continue
            kind = inside(address)
            if kind is not None:
                # The address itself stays unsaid: it would let a user map the names of an inner network.
                detail = f"{host}:{port} has a {kind} address, which the egress guard refuses"
                raise EgressBlocked(node=node, detail=detail)


def inside(address: IPv4Address | IPv6Address) -> str | None:
    """The kind of an address that is not on the public internet, else None.

    Addresses that embed an IPv4 address (mapped, NAT64, 6to4, Teredo) are refused whatever they embed.
    """
    for network, kind in _INSIDE:
        if address in network:
            return kind
    if address.version == 6 and address not in _GLOBAL_UNICAST_V6:
        return "reserved"
    return None if address.is_global else "reserved"


def redact_url(url: str) -> str:
    """scheme://host:port alone: RPC keys sit in paths, queries and user names."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError, ValueError):
        return "(not a URL)"
    if _PLAIN_HOST.fullmatch(parsed.host) is None:
        return "(not a URL)"
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    port = "" if parsed.port is None else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def hide_secrets(text: str, *, url: str) -> str:
    """`text` without the parts of this URL that may be a key: some nodes repeat them in what they answer."""
    _, _, tail = url.partition("://")
    _, _, tail = tail.partition("/")
    words = {word for form in (tail, unquote(tail)) for word in (form, *_SEPARATORS.split(form))}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _KEY_CHARS_MIN:
            text = text.replace(word, "…")
    return text


def check_url(url: str) -> httpx2.URL:
    """A plain http or https URL. Raises EgressBlocked; the addresses are checked when connecting."""
    node = redact_url(url)
    if len(url) > _URL_CHARS_MAX or not url.isascii() or not url.isprintable() or {" ", "\\"} & set(url):
        raise EgressBlocked(
            node=node, detail="the URL is too long, or holds blanks, backslashes or non-ASCII"
        )
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise EgressBlocked(node=node, detail="this is not a URL") from error
    if parsed.scheme not in {"http", "https"} or _PLAIN_HOST.fullmatch(parsed.host) is None:
        raise EgressBlocked(node=node, detail="only http and https URLs with a plain host are accepted")
    if "@" in url.split("/", 3)[2]:
        raise EgressBlocked(node=node, detail="a URL with a user name or password is not accepted")
    if parsed.port == 0:
        raise EgressBlocked(node=node, detail="port 0 is not accepted")
    return parsed


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Every address of a host, by the system's resolver, whose own timeouts bound it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        msg = f"{host} does not resolve"
        raise httpcore2.ConnectError(msg) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked. Reading the store takes 40 ms, and nobody changes a context afterwards."""
    return httpx2.create_ssl_context(trust_env=False)


class GuardedTransport(httpx2.HTTPTransport):
    """httpx2's transport over the guarded backend; `seconds_left` bounds a request as a whole."""

    def __init__(
        self,
        *,
        policy: EgressPolicy,
        node: str,
        resolve: Resolve = resolve_host,
        seconds_left: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        # httpx2 offers no parameter for the backend; its own pool above never opened a connection.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_tls(),
            max_connections=16,
            max_keepalive_connections=16,
            keepalive_expiry=15,
            network_backend=_GuardedBackend(policy, node, resolve, seconds_left),
        )


class _GuardedBackend(httpcore2.NetworkBackend):
    def __init__(
        self,
        policy: EgressPolicy,
        node: str,
        resolve: Resolve,
        seconds_left: Callable[[], float] | None,
    ) -> None:
        self._policy = policy
        self._node = node
        self._resolve = resolve
        self._seconds_left = seconds_left
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = list(self._resolve(host, port))
        self._policy.demand(node=self._node, host=host, port=port, addresses=addresses)
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses[:_CONNECT_TRIES_MAX]:
            try:
                stream = self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                if self._seconds_left is None:
                    return stream
                return _BoundedStream(stream, self._seconds_left, read_bytes=_READ_BYTES)
        raise failure

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - the backend's interface.
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        raise EgressBlocked(node=self._node, detail="Unix sockets are not accepted")


class _BoundedStream(httpcore2.NetworkStream):
    """A stream whose every operation ends by the deadline: a node that drips bytes can't hold us for ever.

    It reads at least `read_bytes` at once, where so many are there.
    """

    def __init__(
        self, stream: httpcore2.NetworkStream, seconds_left: Callable[[], float], *, read_bytes: int = 0
    ) -> None:
        self._stream = stream
        self._seconds_left = seconds_left
        self._read_bytes = read_bytes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(
            max(max_bytes, self._read_bytes), self._bounded(timeout, httpcore2.ReadTimeout)
        )

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._bounded(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        bounded = self._bounded(timeout, httpcore2.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, bounded)
        return _BoundedStream(stream, self._seconds_left)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def _bounded(self, timeout: float | None, too_late: type[Exception]) -> float:
        left = self._seconds_left()
        if left <= 0:
            msg = "the time for the whole request is over"
            raise too_late(msg)
        return left if timeout is None else min(timeout, left)
