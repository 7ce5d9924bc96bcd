"""Hosts cut off from us: their packets are dropped without an answer, as when a switch or a cable breaks."""

import contextlib
import subprocess
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def cut_off(addresses: Iterable[str], port: int) -> Iterator[None]:
    """Nothing goes to, nor comes from, these addresses at that port, until the end. For root."""
    rules = [rule for address in addresses for rule in _rules(address, port)]
    try:
        for rule in rules:
            _iptables("-I", rule)
        yield
    finally:
        for rule in rules:
            _iptables("-D", rule)


def _rules(address: str, port: int) -> Iterator[list[str]]:
    yield ["INPUT", "-d", address, "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    yield ["INPUT", "-s", address, "-p", "tcp", "--sport", str(port), "-j", "DROP"]


def _iptables(what: str, rule: list[str]) -> None:
    subprocess.run(["iptables", "-w", "10", what, *rule], check=True, capture_output=True)
