"""Environments of real hosts, releases for them, and looks at what became of both."""

import io
import tarfile
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.deploys import lifecycle
from pipelines.deploys.models import Credential, Deploy, Environment, HostKey, Release
from pipelines.logs import store
from runners.hosts import deploy as story
from runners.hosts.ssh.connection import HostKey as ShownKey
from tests import factories
from tests.lab.sshd import Sshd

# What a command does that shall not end before the test lets it go; not for ever, should the test fail before that.
HOLD = "n=0; until [ -e ../../let-go ] || [ $n = 6000 ]; do n=$((n + 1)); sleep 0.05; done"


def let_go(servers: Sequence[Sshd]) -> None:
    for server in servers:
        (server.root / "shop/let-go").touch()


def make_environment(servers: Sequence[Sshd], **fields: Any) -> Environment:
    listed = [{"name": f"web-{number}", "address": server.address.host} for number, server in enumerate(servers, 1)]
    credential = Credential.objects.create(name=factories.unique("key"), private_key=servers[0].private_key)
    environment = factories.make_environment(
        **{
            "inventory": {"hosts": listed},
            "ssh_user": "root",
            "ssh_port": servers[0].address.port,
            "credential": credential,
            **fields,
        }
    )
    for server in servers:
        pin(environment, server, server.host_key)
    return environment


def pin(environment: Environment, server: Sshd, key: ShownKey) -> None:
    HostKey.objects.create(
        environment=environment,
        address=server.address.host,
        port=server.address.port,
        key_type=key.type,
        public_key=key.base64,
        fingerprint=key.fingerprint,
        pinned_by="ada (#1)",
    )


def make_release(environment: Environment, padding: int = 0, noise: bytes = b"", **deploy: Any) -> Release:
    """A release whose one file tells its number; `deploy` changes its deploy section.

    `padding` bytes make the file large, `noise` the archive too.
    """
    release = factories.make_release(environment.project)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        content = f"release {release.number}\n".encode() + bytes(padding) + noise
        entry = tarfile.TarInfo("dist/app")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    assert release.artifact is not None
    release.artifact = factories.make_artifact(release.artifact.attempt, "other/", data.getvalue())
    type(release.artifact).objects.filter(pk=release.artifact.pk).update(path="dist")
    release.deploy_spec = {
        "artifact": "dist/",
        "path": "/srv/shop",
        "shared": ["var"],
        "migrate": "echo ran >> ../../migrations",
        "activate": "echo $SLIPWAY_RELEASE >> ../../activations",
        "health": {"command": "test -f app", "timeout_seconds": 5},
        "strategy": {"waves": [1, "rest"], "parallel": 10, "max_failures": 0},
        **deploy,
    }
    release.save()
    release.refresh_from_db()
    return release


def perform(deploy: Deploy, owner: str = "worker-1") -> Deploy:
    return _performed(deploy, lifecycle.claim_deploy(deploy.pk, owner))


def _performed(deploy: Deploy, claim: lifecycle.DeployClaim) -> Deploy:
    story.run(claim)
    deploy.refresh_from_db()
    deploy.environment.refresh_from_db()
    return deploy


def bring(environment: Environment, release: Release) -> Deploy:
    return perform(factories.make_deploy(environment, release))


def on(server: Sshd, path: str) -> str:
    file = server.root / "shop" / path
    return file.read_text() if file.exists() else ""


def current(server: Sshd) -> str:
    return on(server, "current/app").strip()


def text_of(deploy: Deploy) -> str:
    deploy.refresh_from_db()
    logs = [deploy.log, *(row.log for row in deploy.hosts.select_related("log"))]
    return b"".join(piece for log in logs for piece in store.read(log)).decode()


def statuses(deploy: Deploy) -> list[str]:
    return [row.status for row in deploy.hosts.order_by("host__name")]


def take_over(deploy: Deploy, once_taken: Callable[[], object] = lambda: None) -> Deploy:
    """As the reconciler does it once the lease of a dead worker has run out."""
    Deploy.objects.filter(pk=deploy.pk).update(lease_until="2020-01-01T00:00Z")
    claim = lifecycle.claim_deploy(deploy.pk, "worker-2")
    once_taken()
    return _performed(deploy, claim)
