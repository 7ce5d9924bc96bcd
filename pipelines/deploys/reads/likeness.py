"""How the machines of one environment differ from each other, as inspections have found them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.deploys.models import Host

FACTS: Mapping[str, str] = {"os": "system", "kernel": "kernel", "machine": "architecture"}


@dataclass(frozen=True, slots=True)
class Odd:
    """A host that is not as most of the others. `told` has a phrase for each fact."""

    host: Host
    told: Sequence[str]


def odd_ones(hosts: Iterable[Host]) -> list[Odd]:
    """Those whose facts are not what most hosts have, by name; of hosts that were never asked nothing is said."""
    known, told = list(hosts), dict[Host, list[str]]()
    for fact, name in FACTS.items():
        for host, phrase in _odd_in(fact, name, known):
            told.setdefault(host, []).append(phrase)
    return [Odd(host, told[host]) for host in sorted(told, key=lambda host: host.name)]


def _odd_in(fact: str, name: str, hosts: Sequence[Host]) -> list[tuple[Host, str]]:
    """Of two that are equally common the first by name of host is what the others are held against."""
    known = {host: str(host.facts[fact]) for host in sorted(hosts, key=lambda host: host.name) if host.facts.get(fact)}
    if not known:
        return []
    usual, count = Counter(known.values()).most_common(1)[0]
    return [
        (host, f"{name} {own} against {usual} on {_others(count, len(known) - 1)}")
        for host, own in known.items()
        if own != usual
    ]


def _others(count: int, others: int) -> str:
    return "the others" if count == others else f"{count} of the others"
