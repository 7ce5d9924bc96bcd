"""The records of a server in this process, for benchmarks of its workers' own work: no pages, nobody else at work."""

import contextlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tests.lab.sshd import Sshd

if TYPE_CHECKING:
    from pipelines.deploys.models import Environment, Release

FILES = 64


@contextlib.contextmanager
def records() -> Iterator[None]:
    """Open an empty database: SLIPWAY_DATABASE_URL's, or SQLite as by default. Once a process."""
    import django
    from django.core.management import call_command

    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as directory:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="server.settings",
            SLIPWAY_STATE_DIR=directory,
            SLIPWAY_LOG_LEVEL="ERROR",
            SLIPWAY_ALONE="1",
        )
        django.setup()
        call_command("migrate", verbosity=0)
        yield


def add_environment(servers: Sequence[Sshd], at_once: int, **fields: Any) -> "Environment":
    """All of these hosts, their keys pinned, in a project of its own."""
    from pipelines.deploys.models import Credential, HostKey
    from tests import factories

    address = servers[0].address
    listed = [{"name": f"web-{place}", "address": one.address.host} for place, one in enumerate(servers, 1)]
    environment = factories.make_environment(
        inventory={"hosts": listed},
        ssh_user=address.user,
        ssh_port=address.port,
        at_once=at_once,
        credential=Credential.objects.create(name=factories.unique("key"), private_key=servers[0].private_key),
        **fields,
    )
    HostKey.objects.bulk_create(
        HostKey(
            environment=environment,
            address=one.address.host,
            port=one.address.port,
            key_type=one.host_key.type,
            public_key=one.host_key.base64,
            fingerprint=one.host_key.fingerprint,
            pinned_by="bench",
        )
        for one in servers
    )
    return environment


def archive(size: int) -> bytes:
    """A gzipped tar of `size` bytes that no compression makes smaller, in many files, below dist/."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as packed:
        for place in range(FILES):
            entry = tarfile.TarInfo(f"dist/part-{place}")
            entry.size = size // FILES
            packed.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return data.getvalue()


def add_release(environment: "Environment", data: bytes, **deploy: Any) -> "Release":
    """A release of that archive; `deploy` is its section of the pipeline file, beside artifact and path."""
    from pipelines.runs.models import Artifact
    from tests import factories

    release = factories.make_release(environment.project)
    assert release.artifact is not None
    release.artifact = factories.make_artifact(release.artifact.attempt, f"{factories.unique('packed')}/", data)
    Artifact.objects.filter(pk=release.artifact.pk).update(path="dist")
    release.deploy_spec = {"artifact": "dist/", "path": "/srv/shop", **deploy}
    release.save()
    release.refresh_from_db()
    return release
