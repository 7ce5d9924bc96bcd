"""With which credential an image is pulled or pushed for a run. What comes from outside the project has none."""

from collections.abc import Iterable

from pipelines.errors import UserError
from pipelines.registries.models import Registry
from pipelines.registries.queries import guarded, signed_in, standing, usable
from pipelines.runs.models import Run
from runners.containers.dockerfiles import may_be_id
from runners.containers.executor import Access, Credential
from runners.containers.pulling import host_of, is_built_here


class PushRefused(UserError):
    """No sign-in of the project allows to push there: an operator can add the registry."""


class ImageRefused(UserError):
    """The name is not for people: name an image of a registry."""


def access_to(run: Run, image: str) -> Access:
    """For a pull. What came here with another's credential is not taken without asking the registry; to a run that is
    not trusted, its own project is such another. Raises ImageRefused."""
    refuse_nameless((image,))
    host = host_of(image)
    if not run.trusted:  # a credential of nobody: without one, the runner's own Docker configuration would be asked
        return Access(Credential(host), ask=host.lower() in signed_in())
    found = standing(run.project, host)
    return Access(_credential(found.mine) if found.mine else None, ask=found.guarded)


def push_credential(run: Run, image: str) -> Credential:
    """Raises PushRefused: an image is pushed only where an operator has said that it may be."""
    if not run.trusted:
        raise PushRefused(f"{image} cannot be pushed: the commit of this run comes from outside the project")
    host = host_of(image)
    found = standing(run.project, host).mine
    if found is None or not found.may_push:
        raise PushRefused(f"{image} cannot be pushed: an operator can list {host} among the registries of this project")
    return _credential(found)


def credentials_of(run: Run) -> tuple[Credential, ...]:
    """For a build, which may begin from several images."""
    return tuple(map(_credential, usable(run.project))) if run.trusted else ()


def must_ask(run: Run, images: Iterable[str]) -> bool:
    """Whether one of the images to build from may be another's, see `access_to`, or one that the engine finds by its
    id; what only arguments of a build would name may be any. Raises ImageRefused."""
    named = list(images)
    refuse_nameless(named)
    hosts = guarded(run.project) if run.trusted else signed_in()
    return any(may_be_id(image) or ("$" in image and hosts) or host_of(image).lower() in hosts for image in named)


def refuse_nameless(images: Iterable[str]) -> None:
    """Raises ImageRefused for what builds on this machine have made, and for images by their ids: the engine gives them
    to whoever asks, whosever they are."""
    if taken := [image for image in images if is_built_here(image) or image.startswith("sha256:")]:
        raise ImageRefused(f"{taken[0][:200]} is no name of an image in a registry: push it, and use its name there")


def _credential(registry: Registry) -> Credential:
    return Credential(registry.host, registry.username, registry.password)
