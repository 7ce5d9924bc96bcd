"""What the hosts of an environment show to somebody who only looks: their keys, and whether they let us in."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from pipelines.deploys import hostkeys
from pipelines.deploys.models import Environment, HostKeyPolicy
from pipelines.errors import PipelineError
from runners.clouds.inventory import FoundHost
from runners.hosts.signin import Entry, bastion_of, target_at
from runners.hosts.ssh.bastions import BastionAddress
from runners.hosts.ssh.connection import (
    Address,
    AgentUnusable,
    AuthenticationRefused,
    CommandFailed,
    Connection,
    HostKey,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    capture,
)
from runners.hosts.ssh.fleet import Fleet, Target, on_all

AT_ONCE = 32  # silent hosts take their whole time, and others wait for this worker
TRIAL_SECONDS = 20.0
_TRIAL = """true || exit 1
if [ "$(id -u)" = 0 ]; then echo root
elif ! command -v sudo >/dev/null 2>&1; then echo absent
elif sudo -n true </dev/null >/dev/null 2>&1; then echo yes
else echo no
fi"""


def scan(environment: Environment, hosts: Sequence[FoundHost]) -> dict[str, Any]:
    """The key of each host and of the bastion, and how it stands to what is approved: `same`, `changed` or `new`.

    While the bastion's own key waits to be approved nothing is sent through it, so its hosts are not scanned.
    """
    keys = hostkeys.by_place(environment)
    entry = Entry(environment, pins=False)
    try:
        answer = _bastions_key(environment, entry, keys)
        if answer["behind_bastion"]:
            return answer
        if entry.bastion is not None:
            entry.check()
        targets = [target_at(environment, host.address, host.port, keys) for host in hosts]
        found = on_all(targets, entry.scan, AT_ONCE, on_leave=_let_database_go)
    finally:
        entry.close()
    for target, shown in zip(targets, found, strict=True):
        _note(answer, target, shown)
    return answer


def try_out(environment: Environment, hosts: Sequence[FoundHost]) -> dict[str, Any]:
    """Sign in to each host as a deploy would and run `true`: how far it came, and whether sudo would be had."""
    keys = hostkeys.by_place(environment)
    entry = Entry(environment, pins=False)
    targets = [target_at(environment, host.address, host.port, keys) for host in hosts]
    with Fleet(entry.open, on_close=entry.close) as fleet:
        entry.check()
        found = on_all(targets, lambda target: _sudo(fleet.connect(target)), AT_ONCE, fleet.close, _let_database_go)
    return {
        "bastion": str(entry.bastion.address) if entry.bastion else "",
        "hosts": [
            {"name": host.name, "address": str(target.address), **_how_far(one)}
            for host, target, one in zip(hosts, targets, found, strict=True)
        ],
    }


def _let_database_go() -> None:
    """Each thread has a connection of its own."""
    connection.close()


def _bastions_key(environment: Environment, entry: Entry, keys: hostkeys.ByPlace) -> dict[str, Any]:
    answer: dict[str, Any] = {"keys": [], "unreachable": [], "behind_bastion": ""}
    at = bastion_of(environment)
    if at is None:
        return answer
    pinned = tuple(HostKey(key.key_type, key.public_key) for key in keys.get((at.host, at.port), []))
    target = Target(at, pinned)
    shown = entry.scan(target)
    _note(answer, target, shown)
    is_trusted = shown in pinned or (not pinned and environment.host_key_policy == HostKeyPolicy.FIRST_USE)
    if not is_trusted:
        answer["behind_bastion"] = (
            "The bastion's key is not the approved one, so no host behind it was asked. Approve it, then scan again."
        )
    return answer


def _note(answer: dict[str, Any], target: Target, shown: HostKey | Exception) -> None:
    if isinstance(shown, HostKey):
        answer["keys"].append(_key(target.address, shown, _standing(shown, target.host_keys)))
    elif isinstance(shown, PipelineError):
        answer["unreachable"].append({"address": str(target.address), "why": str(shown)})
    else:
        raise shown


def _standing(shown: HostKey, pinned: Sequence[HostKey]) -> str:
    if not pinned:
        return "new"
    return "same" if shown in pinned else "changed"


def _key(address: Address, key: HostKey, known: str) -> dict[str, Any]:
    return {
        "address": address.host,
        "port": address.port,
        "is_bastion": isinstance(address, BastionAddress),
        "key_type": key.type,
        "public_key": key.base64,
        "fingerprint": key.fingerprint,
        "known": known,
    }


def _sudo(host: Connection) -> str:
    """`root`, `yes`, `no` (it asks for a password, or forbids) or `absent`; raises when nothing can be run."""
    result, text = capture(host, _TRIAL, deadline_seconds=TRIAL_SECONDS)
    if not result.succeeded:
        raise CommandFailed(f"{host.address}: `true` ended with {result.exit_code}: {text.strip()[-300:]}")
    return text.split()[-1] if text.split() else "no"


def _how_far(found: str | Exception) -> dict[str, Any]:
    """`came` is the last step that went well: nothing, reached, known, signed_in or ran."""
    if isinstance(found, str):
        return {"came": "ran", "key": "same", "sudo": found, "why": ""}
    if not isinstance(found, PipelineError):
        raise found
    came, key = "signed_in", "same"
    if isinstance(found, HostUnreachable):
        came, key = "", ""
    elif isinstance(found, HostKeyUnknown | HostKeyChanged):
        came, key = "reached", "changed" if isinstance(found, HostKeyChanged) else "new"
    elif isinstance(found, AuthenticationRefused | AgentUnusable):
        came = "known"
    return {"came": came, "key": key, "sudo": "", "why": str(found)}
