"""With which credential an image is pulled or pushed for a project."""

from collections.abc import Iterable

from pipelines.errors import UserError
from pipelines.projects.models import Project
from pipelines.registries.models import Registry
from pipelines.registries.queries import guarded, standing, usable
from runners.containers.executor import Access, Credential
from runners.containers.pulling import host_of


class PushRefused(UserError):
    """No sign-in of the project allows to push there: an operator can add the registry."""


def access_to(project: Project, image: str) -> Access:
    """For a pull. What came here with another project's credential is not taken without asking the registry."""
    found = standing(project, host_of(image))
    return Access(_credential(found.mine) if found.mine else None, ask=found.guarded)


def push_credential(project: Project, image: str) -> Credential:
    """Raises PushRefused: an image is pushed only where an operator has said that it may be."""
    host = host_of(image)
    found = standing(project, host).mine
    if found is None or not found.may_push:
        raise PushRefused(f"{image} cannot be pushed: an operator can list {host} among the registries of this project")
    return _credential(found)


def credentials_of(project: Project) -> tuple[Credential, ...]:
    """For a build, which may begin from several images."""
    return tuple(map(_credential, usable(project)))


def must_ask(project: Project, images: Iterable[str]) -> bool:
    """Whether one of the images may have come here with another project's credential; what only arguments of a build
    would name may be any."""
    hosts = guarded(project)
    return any("$" in image or host_of(image).lower() in hosts for image in images) if hosts else False


def _credential(registry: Registry) -> Credential:
    return Credential(registry.host, registry.username, registry.password)
