"""The records of a storefront: its environment, its releases, and deploys that are performed here and now."""

from typing import Any

from pipelines.deploys import lifecycle
from pipelines.deploys.models import Credential, Deploy, Environment, HostKeyPolicy, Release
from pipelines.logs import store
from pipelines.states.status import Status
from runners.hosts import deploy as story
from tests import factories
from tests.lab.storefront import Storefront, archive, spec_of

BLUE_GREEN = {"kind": "blue_green", "waves": ["rest"], "parallel": 10, "max_failures": 0}


def open_environment(shop: Storefront, **fields: Any) -> Environment:
    """An environment with the storefront's hosts, behind its HAProxy."""
    host = shop.hosts[0]
    credential = Credential.objects.create(name=factories.unique("key"), private_key=host.private_key)
    return factories.make_environment(
        **{
            "inventory": shop.inventory(),
            "ssh_user": "root",
            "ssh_port": host.address.port,
            "credential": credential,
            "host_key_policy": HostKeyPolicy.FIRST_USE,
            "balancer_kind": "haproxy",
            "balancer": shop.proxy.settings(),
            **fields,
        }
    )


def make_release(environment: Environment, spec: dict[str, Any] | None = None, *, broken: bool = False) -> Release:
    """Users are answered with its number; one that is `broken` is never healthy."""
    release = factories.make_release(environment.project)
    assert release.artifact is not None
    data = archive(str(release.number), broken=broken)
    release.artifact = factories.make_artifact(release.artifact.attempt, f"of-{release.number}/", data)
    type(release.artifact).objects.filter(pk=release.artifact.pk).update(path="dist")
    release.deploy_spec = spec or spec_of()
    if broken:  # nobody has to wait for it for long
        release.deploy_spec["health"] = {**release.deploy_spec["health"], "timeout_seconds": 2}
    release.save()
    release.refresh_from_db()
    return release


def bring(environment: Environment, release: Release) -> Deploy:
    """A person's deploy, up to its verdict."""
    environment.refresh_from_db()
    return perform(factories.make_deploy(environment, release))


def perform(deploy: Deploy) -> Deploy:
    """What its worker does with it."""
    story.run(lifecycle.claim_deploy(deploy.pk, "worker-1"))
    deploy.refresh_from_db()
    deploy.environment.refresh_from_db()
    return deploy


def went_well(deploy: Deploy) -> Deploy:
    if deploy.status != Status.SUCCEEDED:
        raise AssertionError(f"{deploy} {deploy.status}: {text_of(deploy)}")
    return deploy


def text_of(deploy: Deploy) -> str:
    """Its log and those of its hosts."""
    deploy.refresh_from_db()
    logs = [deploy.log, *(row.log for row in deploy.hosts.select_related("log"))]
    return b"".join(piece for log in logs for piece in store.read(log)).decode()
