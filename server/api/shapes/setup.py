"""A project as whoever sets it up sees it."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse
from ninja import Field, Schema

from pipelines.projects.code_host_keys import parse_host_keys
from pipelines.projects.models import Project
from pipelines.setup import queries
from pipelines.states.status import Status
from server.api.shapes.probes import ProbeShape, probe
from server.api.shapes.words import page


class HookShape(Schema):
    """`status` is running before the first delivery, failed when the last one was refused: `why` says what is wrong."""

    url: str = Field(description="What the code host is to call")
    status: Status
    taken_at: datetime | None
    refused_at: datetime | None
    why: str


class PinnedShape(Schema):
    """A key that the code host is known by."""

    names: str
    type: str
    fingerprint: str


class SetupShape(Schema):
    """`transport` is ssh, https or local; `repository` and `code_host` are the newest looks at them."""

    name: str
    url: str
    clone_url: str
    transport: str
    default_branch: str
    has_token: bool
    deploy_key: str = Field(description="The public part, for the code host's page of deploy keys; empty without one")
    webhook: HookShape
    code_host_keys: list[PinnedShape]
    repository: ProbeShape | None
    code_host: ProbeShape | None


class NewProject(SetupShape):
    webhook_secret: str = Field(description="For the code host's page of webhooks; told in this answer alone")


def setup(found: Project) -> SetupShape:
    repository, code_host = (queries.newest(found, kind) for kind in queries.ASKED)
    return SetupShape(
        name=found.name,
        url=page(reverse("project-setup", args=[found.name])),
        clone_url=found.clone_url,
        transport=queries.transport(found),
        default_branch=found.default_branch,
        has_token=bool(found.code_host_token),
        deploy_key=found.deploy_key_line,
        webhook=_hook(found),
        code_host_keys=[
            PinnedShape(names=key.names, type=key.type, fingerprint=key.fingerprint)
            for key in parse_host_keys(found.code_host_keys)
        ],
        repository=probe(repository) if repository else None,
        code_host=probe(code_host) if code_host else None,
    )


def new_project(found: Project) -> NewProject:
    return NewProject(**dict(setup(found)), webhook_secret=found.webhook_secret)


def _hook(found: Project) -> HookShape:
    stands = queries.delivery(found)
    return HookShape(
        url=f"{settings.SLIPWAY_URL}{reverse('github-webhook', args=[found.name])}",
        status=stands.status,
        taken_at=stands.taken.received_at if stands.taken else None,
        refused_at=stands.refused_at,
        why=stands.why,
    )
