"""Paramiko's keys: stored ones, and those of the SSH agent beside this worker."""

import base64
import contextlib
import io
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import paramiko
from paramiko.agent import AgentSSH
from paramiko.ssh_exception import SSHException

from runners.hosts.ssh.connection import AgentUnusable, BadPrivateKey, HostKey

AGENT_SECONDS = 10.0
MOST_TRIES = 5  # sshd hangs up after six (MaxAuthTries)


@dataclass(frozen=True, slots=True)
class Agent:
    """The SSH agent that this worker finds in SSH_AUTH_SOCK. `public_key` is the line of the one of its keys that is
    to be used; empty: each of the first few is tried."""

    public_key: str = ""


Identity = paramiko.PKey | Agent


def load_key(private_key: str) -> paramiko.PKey:
    """Read a private key from its text: Ed25519, ECDSA or RSA. Raises BadPrivateKey."""
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(private_key.strip() + "\n"))
        except paramiko.PasswordRequiredException as error:
            raise BadPrivateKey("The private key is encrypted: store one without a passphrase.") from error
        except (SSHException, ValueError, IndexError, AttributeError):
            continue
    raise BadPrivateKey(
        "The private key cannot be read: paste the whole OpenSSH or PEM text of an Ed25519, ECDSA or RSA key"
        " without a passphrase."
    )


@contextlib.contextmanager
def keys_of(identity: Identity) -> Iterator[Sequence[paramiko.PKey]]:
    """The keys to try, in turn; an agent's can sign until the end of the block. Raises AgentUnusable.

    Each call has an agent connection of its own: paramiko's mixes up the answers of several threads.
    """
    if not isinstance(identity, Agent):
        yield [identity]
        return
    with contextlib.closing(_Connected()) as agent:
        yield _chosen(agent.get_keys(), identity.public_key)


def _chosen(held: Sequence[paramiko.PKey], public_key: str) -> Sequence[paramiko.PKey]:
    if not held:
        raise AgentUnusable("The SSH agent beside the deploy worker holds no key: add one with ssh-add.")
    if not public_key.strip():
        return held[:MOST_TRIES]
    try:
        wanted = HostKey.parse(public_key).base64
    except ValueError as error:
        raise AgentUnusable(f"The public key that names the agent's key cannot be read: {error}.") from error
    named = [key for key in held if base64.b64encode(key.asbytes()).decode() == wanted]
    if not named:
        known = ", ".join(HostKey(key.get_name(), base64.b64encode(key.asbytes()).decode()).fingerprint for key in held)
        raise AgentUnusable(
            f"The SSH agent beside the deploy worker does not hold the key that the credential names; it holds {known}."
        )
    return named


class _Connected(AgentSSH):
    """Paramiko's own Agent waits without end for one that hangs, and leaves sockets open."""

    def __init__(self) -> None:
        super().__init__()
        sock = _listening_agent()
        try:
            self._connect(sock)  # type: ignore[attr-defined]
        except (SSHException, OSError) as error:
            sock.close()
            raise AgentUnusable(f"The SSH agent beside the deploy worker does not answer: {error}.") from error

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


def _listening_agent() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(AGENT_SECONDS)
    try:
        sock.connect(os.environ["SSH_AUTH_SOCK"])
    except (KeyError, OSError) as error:
        sock.close()
        raise AgentUnusable(
            "There is no SSH agent: the deploy worker was started without SSH_AUTH_SOCK, or nobody listens there."
            " Start the agent before the worker, or store a private key."
        ) from error
    return sock
