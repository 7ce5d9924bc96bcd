"""How a repository elsewhere is reached, and as whom: with a token over https, with a deploy key over ssh.

Neither is ever an argument, which every user of this machine could read.
"""

import base64
import contextlib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.projects.clone_urls import CloneUrl, Transport, parse_clone_url
from runners.checkout.errors import CloneFailed, GitFault

_PREFIX = "ssh-"
_REST_SECONDS = 3600
_PROTOCOLS = {
    Transport.HTTPS: "https",
    Transport.HTTP: "http:https",
    Transport.SSH: "ssh",
    Transport.LOCAL: "file",
}
# Nothing of the machine's or a user's own configuration, agents or known hosts takes part.
_SSH_CONFIG = """\
Host *
BatchMode yes
IdentitiesOnly yes
IdentityFile {key}
IdentityAgent none
CertificateFile none
StrictHostKeyChecking yes
UserKnownHostsFile {known_hosts}
GlobalKnownHostsFile /dev/null
UpdateHostKeys no
VerifyHostKeyDNS no
CanonicalizeHostname no
PreferredAuthentications publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
ForwardAgent no
ForwardX11 no
ClearAllForwardings yes
PermitLocalCommand no
ProxyCommand none
ControlMaster no
ControlPath none
RequestTTY no
EscapeChar none
LogLevel ERROR
ConnectTimeout 20
ServerAliveInterval 15
ServerAliveCountMax 4
"""


@dataclass(frozen=True, slots=True)
class Access:
    """A clone URL with what opens it. `host_keys` are the lines that its host is known by over ssh."""

    clone_url: str
    token: str | None = field(default=None, repr=False)
    deploy_key: str = field(default="", repr=False)
    host_keys: str = ""
    allow_http: bool = False

    @property
    def url(self) -> CloneUrl:
        return parse_clone_url(self.clone_url, allow_local=True, allow_http=self.allow_http)

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[dict[str, str]]:
        """The variables with which git reaches the repository; a key lies in a file below `folder` meanwhile.

        Raises CloneFailed when there is no deploy key for a URL that needs one.
        """
        protocols = {"GIT_ALLOW_PROTOCOL": _PROTOCOLS[self.url.transport]}
        if self.url.transport != Transport.SSH:
            yield protocols | self._header()
            return
        with self.ssh(folder) as command:
            quoted = " ".join(shlex.quote(part) for part in command)
            yield protocols | {"GIT_SSH_COMMAND": quoted, "GIT_SSH_VARIANT": "ssh", "GIT_CONFIG_COUNT": "0"}

    @contextlib.contextmanager
    def ssh(self, folder: Path) -> Iterator[list[str]]:
        """The start of a command line of OpenSSH's client that knows our key and the host's, and no other."""
        if not self.deploy_key:
            raise CloneFailed(
                f"{self.clone_url} cannot be read without a deploy key: save the project's settings to have one made,"
                " and add its public part to the repository at the code host."
            )
        if shutil.which("ssh") is None:
            raise GitFault("The command `ssh` is not installed on this machine: install openssh-client.")
        _clear(folder)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as private:
            key, known, config = (Path(private, name) for name in ("key", "known_hosts", "config"))
            _write(key, self.deploy_key.replace("\r\n", "\n").strip() + "\n")
            _write(known, self.host_keys.replace("\r\n", "\n").strip() + "\n")
            _write(config, _SSH_CONFIG.format(key=_quoted(key), known_hosts=_quoted(known)))
            yield ["ssh", "-F", str(config)]

    def basic(self) -> str | None:
        """The value of an Authorization header; None without a token."""
        if not self.token:
            return None
        return "Basic " + base64.b64encode(f"x-access-token:{self.token}".encode()).decode()

    def _header(self) -> dict[str, str]:
        """The token as a header for this one host, by the environment."""
        header = self.basic()
        if header is None or self.url.transport == Transport.LOCAL:
            return {"GIT_CONFIG_COUNT": "0"}
        parts = urlsplit(self.clone_url)
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {header}",
        }


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _quoted(path: Path) -> str:
    """A path as ssh_config reads one: with quotes, and no sign that stands for something else."""
    if re.search(r"[\"\\$\s~]", str(path)):
        raise GitFault(f"{path} holds a space or a sign that ssh cannot take: choose another state directory.")
    return f'"{str(path).replace("%", "%%")}"'


def _clear(folder: Path) -> None:
    """Keys that killed processes left."""
    for left in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if left.is_dir() and left.stat().st_mtime < time.time() - _REST_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
