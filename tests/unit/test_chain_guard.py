"""A hostile URL gets no connection, however it is written and whatever its name server says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import EgressBlocked, NodeError, NodeUnreachable
from chains.guard import AllowRule, BadAllowRule, EgressPolicy, check_url, inside, redact_url
from chains.rpc import RpcClient, RpcLimits

ONCE = RpcLimits(attempts=1, connect_seconds=2, timeout_seconds=2)
PUBLIC = "93.184.215.14"


class Listener:
    """A loopback port that counts who connects, and answers nothing."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        # Closing alone would leave the thread in accept().
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


# Read by the real resolver: none of these needs a name server.
HOSTILE = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.2:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:53aa:64c::80ff:fffe]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://[fd12:3456::1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://172.31.255.255:{port}/",
    "http://192.168.1.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://198.18.0.1:{port}/",
    "http://192.0.0.1:{port}/",
    "http://192.0.2.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    # Not http, or not what it looks like.
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_x",
    "ws://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://user:secret@127.0.0.1:{port}/",
    "http://example.org@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://example.org:80@127.0.0.1:{port}/",
    "http://example.org\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\t/",
    "http://127.0.0.1:{port}/\r\nHost: example.org",
    " http://127.0.0.1:{port}/",
    "http://①②⑦.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://[::1/",
    "http:///",
    "http://",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http://127.0.0.1:{port}/" + "a" * 3000,
    "",
]


@pytest.mark.parametrize("template", HOSTILE)
def test_a_hostile_url_is_blocked_before_any_connection(template: str, listener: Listener) -> None:
    url = template.replace("{port}", str(listener.port))
    with pytest.raises(EgressBlocked), RpcClient(url, policy=EgressPolicy(), limits=ONCE) as rpc:
        rpc.call("eth_chainId")
    assert listener.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:10.0.0.1"],
        [PUBLIC, "fe80::1%lo"],
    ],
)
def test_one_inner_address_spoils_a_name(addresses: list[str], listener: Listener) -> None:
    """As 127.0.0.1.nip.io does, or a name with one good and one bad record."""
    url = f"http://rpc.example.org:{listener.port}/"
    with RpcClient(url, policy=EgressPolicy(), limits=ONCE, resolve=lambda *_: addresses) as rpc:
        with pytest.raises(EgressBlocked) as caught:
            rpc.call("eth_chainId")
        assert not any(address in str(caught.value) for address in addresses)
    assert listener.connections == 0


def test_a_rebound_name_is_connected_to_only_as_checked(listener: Listener) -> None:
    """The name server answers once for a check, then otherwise: each answer is checked, and itself used."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        # The first answer is refused by nobody, and nobody listens there: a port of TEST-NET, allowed below.
        return ["203.0.113.1"] if len(asked) == 1 else ["127.0.0.1"]

    url = f"http://rebind.example.org:{listener.port}/"
    policy = EgressPolicy.parse(f"203.0.113.1:{listener.port}")
    limits = RpcLimits(attempts=3, connect_seconds=0.1, timeout_seconds=1)
    with (
        RpcClient(url, policy=policy, limits=limits, resolve=rebinding, sleep=lambda _: None) as rpc,
        pytest.raises(EgressBlocked),
    ):
        rpc.call("eth_chainId")
    assert asked == ["rebind.example.org", "rebind.example.org"]
    assert listener.connections == 0


def test_a_name_is_resolved_once_for_each_connection(listener: Listener) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    policy = EgressPolicy.parse(f"127.0.0.1:{listener.port}")
    url = f"http://node.example.org:{listener.port}/"
    with (
        RpcClient(url, policy=policy, limits=ONCE, resolve=resolve) as rpc,
        pytest.raises(NodeUnreachable),
    ):
        rpc.call("eth_chainId")
    assert asked == [("node.example.org", listener.port)]
    assert listener.connections == 1


def test_a_proxy_from_the_environment_is_not_used(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    url = "http://rpc.example.org:1/"
    policy = EgressPolicy.parse("127.0.0.1:1")
    with (
        RpcClient(url, policy=policy, limits=ONCE, resolve=lambda *_: ["127.0.0.1"]) as rpc,
        pytest.raises(NodeUnreachable),
    ):
        rpc.call("eth_chainId")
    assert listener.connections == 0


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid", "a..invalid"])
def test_a_name_that_does_not_resolve_is_unreachable(host: str) -> None:
    with (
        RpcClient(f"http://{host}/", policy=EgressPolicy(), limits=ONCE) as rpc,
        pytest.raises(NodeUnreachable),
    ):
        rpc.call("eth_chainId")


def test_a_name_for_this_machine_is_blocked_if_it_resolves_at_all(listener: Listener) -> None:
    for host in ("localhost.", "ip6-localhost", socket.gethostname()):
        url = f"http://{host}:{listener.port}/"
        with RpcClient(url, policy=EgressPolicy(), limits=ONCE) as rpc, pytest.raises(NodeError) as caught:
            rpc.call("eth_chainId")
        assert type(caught.value) in {NodeUnreachable, EgressBlocked}
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url",
    ["https://rpc.example.org/v3/key", "http://example.org:8545", "https://[2606:4700::1111]:443/a?b=c"],
)
def test_plain_urls_pass(url: str) -> None:
    assert str(check_url(url)).startswith(url.partition(":")[0])


# -- the operator's allow list


def test_an_allow_list_allows_exactly_what_it_says() -> None:
    policy = EgressPolicy.parse("127.0.0.1:8545, 10.0.0.0/8:8546\n[::1]:8547 [fd00::/8]:8548, anvil:8549,")

    def allowed(host: str, address: str, port: int) -> bool:
        try:
            policy.demand(node="n", host=host, port=port, addresses=[address])
        except EgressBlocked:
            return False
        return True

    assert allowed("127.0.0.1", "127.0.0.1", 8545)
    assert not allowed("127.0.0.1", "127.0.0.1", 8546)
    assert not allowed("127.0.0.2", "127.0.0.2", 8545)
    assert allowed("x.example.org", "10.200.0.1", 8546)
    assert not allowed("10.0.0.1", "10.0.0.1", 8545)
    assert allowed("::1", "::1", 8547)
    assert not allowed("::ffff:127.0.0.1", "::ffff:127.0.0.1", 8545)
    assert allowed("fd12::1", "fd12::1", 8548)
    assert allowed("anvil", "172.18.0.2", 8549)
    assert allowed("ANVIL.", "172.18.0.2", 8549)
    assert not allowed("anvil", "172.18.0.2", 8545)
    assert not allowed("anvil.example.org", "172.18.0.2", 8549)
    assert allowed("rpc.example.org", PUBLIC, 443)


def test_an_empty_list_allows_nothing_inside() -> None:
    assert EgressPolicy.parse(" , \n") == EgressPolicy()


@pytest.mark.parametrize(
    "entry",
    [
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:port",
        "10.0.0.1/8:8545",
        "10.0.0.0/33:8545",
        "::1:8545",
        "[::1]",
        "[::1",
        "[anvil]:8545",
        "[10.0.0.0/8:8545",
        "127.1:8545",
        "2130706433:8545",
        "http://anvil:8545",
        "*:8545",
        "a..b:8545",
        "-",
        "ho st",
    ],
)
def test_a_bad_entry_is_named(entry: str) -> None:
    with pytest.raises(BadAllowRule) as caught:
        EgressPolicy.parse(f"127.0.0.1:1, {entry}")
    assert caught.value.index == 1
    assert caught.value.entry == entry.split(" ", maxsplit=1)[0]


@given(st.ip_addresses())
def test_inside_never_calls_a_special_address_public(address: IPv4Address | IPv6Address) -> None:
    if inside(address) is None:
        assert address.is_global
        special = ("is_multicast", "is_loopback", "is_link_local", "is_unspecified", "is_reserved")
        assert not any(getattr(address, name) for name in special)
        if isinstance(address, IPv6Address):
            assert address.ipv4_mapped is None
            assert address.sixtofour is None
            assert address.teredo is None


@given(st.ip_addresses(v=4))
def test_no_embedding_of_an_ipv4_address_passes(address: IPv4Address) -> None:
    number = int(address)
    for base, shift in (
        ("::ffff:0:0", 0),
        ("::", 0),
        ("64:ff9b::", 0),
        ("64:ff9b:1::", 0),
        ("2002::", 80),
        ("2001::", 0),
    ):
        assert inside(IPv6Address(int(ip_address(base)) + (number << shift))) is not None


def test_a_rule_can_be_read_back() -> None:
    rule = AllowRule.parse("[fd00::/8]:8545")
    assert (rule.host, str(rule.network), rule.port) == (None, "fd00::/8", 8545)


# -- what may be printed


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://eth.example.org/v3/SECRET", "https://eth.example.org"),
        ("https://user:SECRET@eth.example.org:8443/x?key=SECRET#SECRET", "https://eth.example.org:8443"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://[::1]:8545/SECRET", "http://[::1]:8545"),
        ("https://eth.example.org?SECRET", "https://eth.example.org"),
        ("http://[SECRET", "(not a URL)"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(max_size=60))
def test_any_text_can_be_redacted_and_checked(text: str) -> None:
    assert isinstance(redact_url(text), str)
    with pytest.raises(EgressBlocked):
        check_url(f"nonsense:{text}")


def test_errors_do_not_hold_the_key(listener: Listener) -> None:
    policy = EgressPolicy.parse(f"127.0.0.1:{listener.port}")
    url = f"http://127.0.0.1:{listener.port}/v3/SECRET?key=SECRET"
    with RpcClient(url, policy=policy, limits=ONCE) as rpc, pytest.raises(NodeUnreachable) as caught:
        rpc.call("eth_chainId")
    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in str(error)
        error = error.__cause__
