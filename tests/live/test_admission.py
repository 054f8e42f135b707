from http import HTTPStatus

import attrs
import pytest

from opensqt_live.admission import Doorkeeper, Gate, Rate, Refused, Visitor, visitor_of
from opensqt_live.settings import LimitSettings, ServerSettings

OWN = Visitor(address="127.0.0.1", forwarded=False, origin="http://127.0.0.1:8081", host="127.0.0.1:8081")


def gate(**settings: object) -> Gate:
    return Gate(ServerSettings(**settings))  # type: ignore[arg-type]


def refusal(check: object, visitor: Visitor) -> Refused:
    with pytest.raises(Refused) as caught:
        check(visitor)  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8081", "[::1]:8081", "LOCALHOST", "10.1.2.3"])
def test_own_pages_may_connect_by_any_own_name(host: str) -> None:
    visitor = attrs.evolve(OWN, host=host, origin=f"http://{host}")
    gate().check_host(visitor)
    gate().check_origin(visitor)


def test_the_public_url_is_ours() -> None:
    ours = gate(public_url="https://Live.example.org/")
    visitor = attrs.evolve(OWN, host="live.example.org", origin="https://live.example.org")
    ours.check_host(visitor)
    ours.check_origin(visitor)
    ours.check_origin(attrs.evolve(visitor, host="127.0.0.1:8081"))  # a proxy that sets Host


@pytest.mark.parametrize("host", ["evil.example", "", "live.example.org.evil.example", "[oops"])
def test_foreign_host_names_are_refused(host: str) -> None:
    refused = refusal(gate(public_url="https://live.example.org").check_host, attrs.evolve(OWN, host=host))
    assert refused.status == HTTPStatus.FORBIDDEN
    assert "allowed_hosts" in refused.mend


def test_allowed_hosts() -> None:
    gate(allowed_hosts=("live.lan",)).check_host(attrs.evolve(OWN, host="live.lan:80"))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1:9999",
        "http://127.0.0.1",
        "null",
        "",
        "http://127.0.0.1:8081.evil.example",
        "http://127.0.0.1:8081/path",
        "http://user@127.0.0.1:8081",
        "http://127.0.0.1:x",
        "file://",
    ],
)
def test_foreign_origins_are_refused(origin: str) -> None:
    refused = refusal(gate().check_origin, attrs.evolve(OWN, origin=origin))
    assert refused.status == HTTPStatus.FORBIDDEN
    assert "allowed_origins" in refused.mend


def test_allowed_origins_are_exact() -> None:
    listed = gate(allowed_origins=("https://example.org", "http://127.0.0.1:5173"))
    for origin in ("https://example.org", "https://example.org:443", "HTTPS://EXAMPLE.ORG", "http://127.0.0.1:5173"):
        listed.check_origin(attrs.evolve(OWN, origin=origin))
    for origin in ("http://example.org", "https://www.example.org", "https://example.org:8443"):
        refusal(listed.check_origin, attrs.evolve(OWN, origin=origin))
    gate(allowed_origins=("*",)).check_origin(attrs.evolve(OWN, origin="null"))


def test_programs_on_this_machine_need_no_origin() -> None:
    gate().check_origin(attrs.evolve(OWN, origin=None))
    for elsewhere in (
        attrs.evolve(OWN, origin=None, address="10.0.0.7"),
        attrs.evolve(OWN, origin=None, forwarded=True),
        attrs.evolve(OWN, origin=None, address="<local>"),
    ):
        assert "allow_missing_origin" in refusal(gate().check_origin, elsewhere).mend
        gate(allow_missing_origin=True).check_origin(elsewhere)


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "address"),
    [
        ("1.1.1.1", {}, (), "1.1.1.1"),
        ("1.1.1.1", {"X-Forwarded-For": "2.2.2.2"}, (), "1.1.1.1"),
        ("1.1.1.1", {"X-Forwarded-For": "2.2.2.2"}, ("1.1.1.1",), "2.2.2.2"),
        ("1.1.1.1", {"X-Forwarded-For": "6.6.6.6, 2.2.2.2, 3.3.3.3:80"}, ("1.1.1.1", "3.3.3.3"), "2.2.2.2"),
        ("1.1.1.1", {"Forwarded": 'proto=https;for=6.6.6.6, For="[2001:db8::1]:80"'}, ("1.1.1.1",), "2001:db8::1"),
        ("1.1.1.1", {}, ("1.1.1.1",), "1.1.1.1"),
    ],
)
def test_only_trusted_proxies_are_believed(
    peer: str, headers: dict[str, str], trusted: tuple[str, ...], address: str
) -> None:
    visitor = visitor_of(peer, headers, trusted)
    assert visitor.address == address
    assert visitor.forwarded is bool(headers)
    assert visitor.host == ""


def test_a_rate_has_a_burst_and_refills() -> None:
    rate = Rate(2, 3)
    assert [rate.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert rate.take(0.5)
    assert not rate.take(0.6)
    assert [rate.take(100.0) for _ in range(4)] == [True, True, True, False]


def door(**limits: object) -> Doorkeeper:
    return Doorkeeper(LimitSettings(**limits))  # type: ignore[arg-type]


def entry_refused(keeper: Doorkeeper, address: str, now: float) -> Refused:
    return refusal(lambda _: keeper.enter(address, now), OWN)


def test_connections_per_address() -> None:
    keeper = door(connections_per_address=2)
    keeper.enter("a", 0)
    keeper.enter("a", 0)
    refused = entry_refused(keeper, "a", 0)
    assert refused.status == HTTPStatus.TOO_MANY_REQUESTS
    assert "connections_per_address" in refused.mend
    keeper.enter("b", 0)
    keeper.leave("a")
    keeper.enter("a", 0)
    assert keeper.present == 3


def test_connections_in_all() -> None:
    keeper = door(connections=2)
    keeper.enter("a", 0)
    keeper.enter("b", 0)
    refused = entry_refused(keeper, "c", 0)
    assert refused.status == HTTPStatus.SERVICE_UNAVAILABLE
    keeper.leave("b")
    keeper.enter("c", 0)


def test_new_connections_per_second() -> None:
    keeper = door(new_connections_per_second=1.0, new_connections_burst=2)
    for _ in range(2):
        keeper.enter("a", 0)
        keeper.leave("a")
    assert entry_refused(keeper, "a", 0.5).status == HTTPStatus.TOO_MANY_REQUESTS
    keeper.enter("b", 0.5)
    keeper.enter("a", 1.6)


def test_remembered_addresses_are_bounded() -> None:
    keeper = door(connections=100_000)
    for number in range(10_050):
        keeper.enter(str(number), 0)
    assert len(keeper._rates) == 10_000
