"""What people have asked about the hosts of an environment, and what was answered."""

from pipelines.deploys.models import Environment
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind
from tests import factories


def look_at_hosts(production: Environment) -> None:
    """An inventory that has changed, a scan in which keys changed and one host did not answer, and a trial."""
    listed = [(host["name"], host["address"]) for host in production.inventory["hosts"]]
    found = [
        {"name": name, "address": address, "external_id": f"i-0aa{address[-2:]}", "port": None, "group": "blue"}
        for name, address in listed
    ]
    changes = [
        {"name": listed[0][0], "what": "moved", "before": "10.0.4.99"},
        {"name": "web-9", "what": "gone", "before": "10.0.4.19"},
    ]
    drop = {"known": 7, "missing": 3, "before": 7, "asks": True}
    _answer(Kind.INVENTORY, production, {"hosts": found, "changes": changes, **drop})
    keys = [_key(place, known) for place, known in ((1, "same"), (2, "new"), (3, "changed"))]
    gate = {**_key(5, "changed"), "is_bastion": True}
    unreachable = [{"address": "10.0.4.14:22", "why": "no answer within 5 s"}]
    _answer(Kind.HOST_KEYS, production, {"keys": [gate, *keys], "unreachable": unreachable, "behind_bastion": ""})
    _answer(Kind.CONNECTION, production, {"bastion": "", "hosts": _tried()})
    factories.make_host_key(production, "10.0.4.11")


def _tried() -> list[dict[str, str]]:
    ended = [
        ("ran", "same", "yes", ""),
        ("ran", "same", "no", ""),
        ("known", "same", "", "deploy@10.0.4.13:22: our key is refused. Add it to ~deploy/.ssh/authorized_keys."),
        ("reached", "changed", "", "deploy@10.0.4.14:22: the host key has CHANGED."),
        ("", "", "", "deploy@10.0.4.15:22: no connection: timed out. Is the machine up, and its SSH port open to us?"),
    ]
    return [
        {"name": f"web-{place}", "address": f"deploy@10.0.4.1{place}:22"}
        | {"came": came, "key": key, "sudo": sudo, "why": why}
        for place, (came, key, sudo, why) in enumerate(ended, 1)
    ]


def _key(place: int, known: str) -> dict[str, object]:
    seen = {"address": f"10.0.4.1{place}", "port": 22, "known": known}
    letter = "abcde"[place - 1]
    shown = {"key_type": "ssh-ed25519", "public_key": f"AAAA{place}", "fingerprint": f"SHA256:{letter * 43}"}
    return {**seen, **shown}


def _answer(kind: Kind, environment: Environment, value: dict[str, object]) -> None:
    probe = probes.claim(probes.ask(kind, environment.pk, "alice (#1)").pk, "control-1")
    probes.answer(probe, value)
