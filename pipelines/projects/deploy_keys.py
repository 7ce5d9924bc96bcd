"""The key pair with which a project's repository is read over ssh: made here, and it never leaves the server."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.errors import UserError


class BadDeployKey(UserError):
    """The stored deploy key is no private key that can be used; empty the field to have a new one made."""


def generate() -> str:
    """A new Ed25519 private key in OpenSSH's own format, without a passphrase."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )


def public_line(private: str, name: str) -> str:
    """The line that the code host is given, `name` in its comment. Raises BadDeployKey."""
    try:
        key = serialization.load_ssh_private_key(private.replace("\r\n", "\n").encode(), password=None)
    except (ValueError, TypeError) as error:
        raise BadDeployKey(
            "The deploy key cannot be read: paste an OpenSSH private key without a passphrase, or leave it empty"
            " to have one made."
        ) from error
    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return f"{key.public_key().public_bytes(encoding, form).decode()} slipway-{name}"
