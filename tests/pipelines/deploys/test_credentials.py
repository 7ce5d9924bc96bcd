"""Key pairs, checked with the tools that will use them."""

import subprocess
from io import StringIO
from pathlib import Path

import paramiko
import pytest

from pipelines.deploys import credentials
from pipelines.deploys.credentials import BadKey


def keygen(folder: Path, *arguments: str) -> str:
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-f", str(path), *arguments], check=True, capture_output=True)
    return path.read_text()


def test_a_made_pair_fits_together() -> None:
    pair = credentials.generate("production")
    key = paramiko.Ed25519Key.from_private_key(StringIO(pair.private))
    assert pair.public == f"ssh-ed25519 {key.get_base64()} slipway-production"


@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "2048"), ("rsa", "-b", "2048", "-m", "PEM")])
def test_a_pasted_key_is_read_and_its_public_half_found(tmp_path: Path, kind: tuple[str, ...]) -> None:
    private = keygen(tmp_path, "-t", *kind, "-N", "")
    pair = credentials.read("\r\n".join(private.splitlines()), "web")
    assert pair.private == private
    assert pair.public.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]


@pytest.mark.parametrize("form", [(), ("-m", "PEM")])
def test_a_key_with_a_passphrase_is_refused(tmp_path: Path, form: tuple[str, ...]) -> None:
    private = keygen(tmp_path, "-t", "rsa", "-b", "2048", "-N", "open sesame", *form)
    with pytest.raises(BadKey, match="has a passphrase"):
        credentials.read(private, "web")


@pytest.mark.parametrize(
    "text", ["", "hello", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== me", "-----BEGIN OPENSSH PRIVATE KEY-----\nx"]
)
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey, match="not a private key"):
        credentials.read(text, "web")
