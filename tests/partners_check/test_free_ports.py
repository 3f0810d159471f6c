"""Ports for programs that tests start: nobody else has them, and nobody else is given them."""

from __future__ import annotations

import random
import socket

import pytest

from tests.partners.process import free_port, free_ports

IP = "127.0.0.93"


def draws(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """What chance says next."""
    coming = [*numbers]
    monkeypatch.setattr(random.SystemRandom, "randrange", lambda *bounds: coming.pop(0))


def test_a_port_is_given_to_one_only(monkeypatch: pytest.MonkeyPatch) -> None:
    given = free_port(IP)
    draws(monkeypatch, given, given + 1)
    assert free_port(IP) == given + 1


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_is_free_for_udp_and_for_tcp(monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind) -> None:
    taken = free_port(IP) + 1  # which nobody has been given
    with socket.socket(socket.AF_INET, kind) as somebody:
        somebody.bind((IP, taken))
        draws(monkeypatch, taken, taken + 2)
        assert free_port(IP) == taken + 2


@pytest.mark.parametrize("ip", [IP, "::1"])
def test_ports_in_a_row_are_free_on_every_address(monkeypatch: pytest.MonkeyPatch, ip: str) -> None:
    first = free_ports(5)
    monkeypatch.setattr("tests.partners.process._claimed", lambda port: True)
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        somebody.bind((ip, first + 1))
        draws(monkeypatch, first, first + 2)
        assert free_ports(3) == first + 2
