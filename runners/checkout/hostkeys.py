"""Why a code host was not believed over ssh: no key of it is pinned, or it shows another one.

What it shows is read again for the message only: it proves nothing, a person has to compare it.
"""

import subprocess

from pipelines.errors import UserError
from pipelines.projects.clone_urls import CloneUrl
from pipelines.projects.code_host_keys import PinnedKey, parse_host_keys, pin_name
from runners.checkout.errors import CloneFailed, HostKeyChanged, HostKeyUnknown

_SCAN_SECONDS = 3


def refusal(clone_url: str, url: CloneUrl, host_keys: str) -> CloneFailed:
    """The error for a host whose key OpenSSH refused."""
    pinned = [key for key in parse_host_keys(host_keys) if key.is_of(url.host, url.port)]
    shown = scan(url.host, url.port)
    return _changed(clone_url, pinned, shown) if pinned else _unknown(clone_url, url, shown)


def scan(host: str, port: int) -> list[PinnedKey]:
    """The keys that a host shows, best first; empty when it does not answer. Authenticates nothing."""
    command = ["ssh-keyscan", "-T", str(_SCAN_SECONDS), "-t", "ed25519,ecdsa,rsa", "-p", str(port), "--", host]
    try:
        done = subprocess.run(command, capture_output=True, timeout=2 * _SCAN_SECONDS, check=False)
        keys = parse_host_keys(done.stdout.decode("ascii", "replace"))
    except (OSError, subprocess.TimeoutExpired, UserError):
        return []
    order = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
    return sorted(keys, key=lambda key: order.index(key.type) if key.type in order else len(order))


def _unknown(clone_url: str, url: CloneUrl, shown: list[PinnedKey]) -> HostKeyUnknown:
    name = pin_name(url.host, url.port)
    if not shown:
        return HostKeyUnknown(
            f"{clone_url} was not read: no key of {name} is pinned, and it shows none now. Add the line that the code"
            " host publishes to the project's code host keys."
        )
    return HostKeyUnknown(
        f"{clone_url} was not read: no key of {name} is pinned. It now shows {_named(shown)}. Compare that with the"
        " fingerprint that the code host publishes; if it is the same, add this line to the project's code host keys:"
        f" {name} {shown[0].type} {shown[0].base64}"
    )


def _changed(clone_url: str, pinned: list[PinnedKey], shown: list[PinnedKey]) -> HostKeyChanged:
    seen = f"it now shows {_named(shown)}" if shown else "it shows another one"
    return HostKeyChanged(
        f"{clone_url} was not read: the key of its host has changed. Pinned is {_named(pinned)}, and {seen}. The host"
        " was rebuilt, or somebody is in between; nothing was sent. If the code host has announced the new key,"
        " replace the old line in the project's code host keys."
    )


def _named(keys: list[PinnedKey]) -> str:
    return ", ".join(f"{key.type} {key.fingerprint}" for key in keys)
