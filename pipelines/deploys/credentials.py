"""SSH key pairs: made here, or read from what a person pastes."""

from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.errors import UserError


class BadKey(UserError):
    """The text is not a private key that can be used as it is; paste another, or leave it empty to have one made."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`private` is OpenSSH's own format; `public` the line for authorized_keys."""

    private: str
    public: str


def generate(name: str) -> KeyPair:
    """A new Ed25519 pair; `name` becomes the comment of the public line."""
    return _pair(Ed25519PrivateKey.generate(), name)


def read(private: str, name: str) -> KeyPair:
    """The pair of a pasted private key (OpenSSH or PEM, no passphrase); raises BadKey for anything else."""
    text = private.replace("\r\n", "\n").strip() + "\n"
    try:
        key = _load(text.encode())
    except TypeError as error:
        raise BadKey("The key has a passphrase. Slipway cannot ask for it: paste a key without one.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey("This is not a private key in OpenSSH or PEM format. Nothing of it was stored.") from error
    return KeyPair(text, _public(key, name))


def read_public(line: str) -> str:
    """The line that names an agent's key, empty for none; raises BadKey for what is no public key."""
    text = " ".join(line.split())
    try:
        if text:
            serialization.load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(
            "This is not a public key: paste one line of `ssh-add -L`, as ssh-ed25519 AAAA…, or leave it empty."
        ) from error
    return text


def _load(data: bytes) -> serialization.SSHPrivateKeyTypes:
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        return serialization.load_ssh_private_key(data, password=None)
    key = serialization.load_pem_private_key(data, password=None)
    return serialization.load_ssh_private_key(_openssh(key), password=None)  # type: ignore[arg-type]


def _pair(key: Ed25519PrivateKey, name: str) -> KeyPair:
    return KeyPair(_openssh(key).decode(), _public(key, name))


def _openssh(key: serialization.SSHPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _public(key: serialization.SSHPrivateKeyTypes, name: str) -> str:
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{line.decode()} slipway-{name}"
