"""Where a fetch may go, judged by the URL and the address alone."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from batch.upkeep.addresses import LONGEST_URL, OutOfBounds, place_of


@pytest.mark.parametrize(
    "url",
    [
        "ldap://ca.example/cn=ca",
        "file:///etc/passwd",
        "ftp://198.51.100.1/ca.crl",
        "//198.51.100.1/ca.crl",
        "http:///ca.crl",
        "http://user@8.8.8.8/ca.crl",
        "http://user:word@8.8.8.8/ca.crl",
        "http://8.8.8.8:0/ca.crl",
        "http://8.8.8.8:99999/ca.crl",
        "http://8.8.8.8/ca crl",
        "http://8.8.8.8/ca\r\nHost: other",
        "http://8.8.8.8/" + "a" * LONGEST_URL,
        "http://[::1",
    ],
)
def test_only_a_plain_url_of_http_is_fetched(url: str) -> None:
    for private in (False, True):
        with pytest.raises(OutOfBounds):
            place_of(url, private=private, resolve=False)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[ff02::1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]"),
    ],
)
def test_what_only_we_can_reach_is_asked_only_where_that_is_meant(host: str) -> None:
    url = f"http://{host}/ca.crl"
    with pytest.raises(OutOfBounds, match="revocation_private"):
        place_of(url, private=False)
    [found] = place_of(url, private=True).addresses
    assert ip_address(found) == ip_address(host.strip("[]"))


def test_localhost_by_name_is_no_public_place() -> None:
    with pytest.raises(OutOfBounds, match="localhost is at"):
        place_of("http://localhost/ca.crl", private=False)


@pytest.mark.parametrize(
    ("url", "header", "target", "port"),
    [
        ("http://8.8.8.8/ca.crl", "8.8.8.8", "/ca.crl", 80),
        ("HTTP://8.8.8.8:8080", "8.8.8.8:8080", "/", 8080),
        ("https://8.8.8.8/a?b=c#d", "8.8.8.8", "/a?b=c", 443),
        ("https://[2a00:1450::1]:444/a", "[2a00:1450::1]:444", "/a", 444),
    ],
)
def test_a_public_place_is_taken_apart(url: str, header: str, target: str, port: int) -> None:
    place = place_of(url, private=False)
    assert (place.host_header, place.target, place.port) == (header, target, port)
    assert place.addresses == (place.host,)
