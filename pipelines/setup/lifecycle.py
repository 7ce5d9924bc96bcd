"""Add a project, know its code host, begin with a pipeline; what can be asked of it at once is asked."""

from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from pipelines.errors import UserError
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind, Probe
from pipelines.projects import lifecycle, pipelines
from pipelines.projects.clone_urls import CloneUrl, Transport, parse_clone_url
from pipelines.projects.code_host_keys import PinnedKey
from pipelines.projects.models import Project, SpecVersion
from pipelines.setup.queries import answer_of, newest, starter

_ADDRESSES = frozenset({"add"})  # of pages beside those of projects
_SCAN_LASTS = timedelta(minutes=15)  # what a host showed before may be another's by now


class NotApproved(UserError):
    """No key was approved: what was looked at does not count, or nothing was chosen."""


class NoStarter(UserError):
    """No pipeline is offered to begin with."""


def try_url(url: str, by: str) -> Probe:
    """Have a worker try to reach a repository that may become a project. Raises BadCloneUrl."""
    parse_clone_url(url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
    return probes.ask(Kind.CLONE_URL, 0, by, {"url": url})


def add(project: Project, person: User, by: str, *, team: Group | None = None, new_team: str = "") -> Project:
    """Store a project that is owned by a team, or by a new one with this person in it; without either only operators
    see it. Raises ValidationError, BadCloneUrl and BadTeam."""
    if project.name in _ADDRESSES:
        raise ValidationError({"name": f"{project.name} is the address of another page: choose another name."})
    project.full_clean()
    url = parse_clone_url(project.clone_url, allow_local=settings.SLIPWAY_LOCAL_CLONES)
    project.code_host_name = _code_host_name(url)
    with transaction.atomic():
        owners = lifecycle.found_team(new_team, person, by) if new_team else team
        lifecycle.create(project, by, team=owners)
        lifecycle.listen(project)
    probes.ask(Kind.CODE_HOST if url.transport == Transport.SSH else Kind.REPOSITORY, project.pk, by)
    return project


def change(project: Project, by: str, *, token: str | None = None, branch: str | None = None) -> None:
    """Another token or default branch, where one is given; the repository is read with it at once. Raises
    BadProject."""
    with transaction.atomic():
        if token is not None:
            lifecycle.change_token(project, token.strip(), by)
        if branch is not None:
            lifecycle.change_branch(project, branch.strip(), by)
    probes.ask(Kind.REPOSITORY, project.pk, by)


def approve_keys(project: Project, scan: Probe, fingerprints: Collection[str], by: str) -> None:
    """Pin the keys that were chosen among those of the newest scan, and read the repository. Raises NotApproved."""
    ended = scan.finished_at
    if scan != newest(project, Kind.CODE_HOST) or ended is None or timezone.now() - ended > _SCAN_LASTS:
        raise NotApproved("that look at the keys is not the newest, or too old: look again")
    shown = [key for key in answer_of(scan).get("keys", []) if key["fingerprint"] in fingerprints]
    if not shown:
        raise NotApproved("no key was chosen")
    lifecycle.pin_code_host(project, [PinnedKey(key["names"], key["type"], key["base64"]) for key in shown], by)
    probes.ask(Kind.REPOSITORY, project.pk, by)


def start_from(project: Project, key: str, by: str) -> SpecVersion:
    """Keep the pipeline of that key, or the first that is offered, on this server. Raises NoStarter and LostRace."""
    offered = starter(project, key)
    if offered is None:
        raise NoStarter("no pipeline is offered: let the repository be looked at first")
    now = pipelines.current(project)
    message = f"Start from {offered['title']}"
    return pipelines.keep(project, offered["text"], by, message, based_on=now.number if now else 0)


def _code_host_name(url: CloneUrl) -> str:
    """owner/name of a repository at the code host whose API we know; empty for any other."""
    api = urlsplit(settings.SLIPWAY_GITHUB_API).hostname or ""
    known = {"github.com"} if api == "api.github.com" else {api}
    return url.path.strip("/").removesuffix(".git") if url.host in known else ""
