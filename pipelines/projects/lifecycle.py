"""What is done to a project."""

from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.projects import deploy_keys
from pipelines.projects.clone_urls import Transport, parse_clone_url
from pipelines.projects.code_host_keys import PinnedKey, parse_host_keys
from pipelines.projects.models import Member, Project, Refusal, Role

_NOTED_SECONDS = 2  # a delivery that is refused sooner after another is not noted: strangers can send any number


class BadProject(UserError):
    """Something that was entered cannot be a project's."""


class BadTeam(UserError):
    """There is a team of that name already."""


def create(project: Project, by: str, *, team: Group | None = None) -> Project:
    """Store a new project and who owns it; without a team only operators see it. Raises ValidationError."""
    project.full_clean()
    with transaction.atomic():
        project.save()
        if team is not None:
            Member.objects.create(project=project, team=team, role=Role.OWNER)
        record(by, "added", f"project {project}", clone_url=project.clone_url, team=team.name if team else "")
    return project


def found_team(name: str, person: User, by: str) -> Group:
    """A new team with this person in it. Raises BadTeam."""
    try:
        with transaction.atomic():
            team = Group.objects.create(name=name)
            person.groups.add(team)
            record(by, "added", f"team {name}", members=[person.get_username()])
    except IntegrityError as error:
        raise BadTeam(f"there is a team {name} already: choose it, or name another") from error
    return team


def ensure_deploy_key(project: Project) -> str:
    """The project's private key, made now when there is none; of two processes that make one, the first's is kept."""
    if not project.deploy_key:
        Project.objects.filter(pk=project.pk, deploy_key="").update(deploy_key=deploy_keys.generate())
        project.refresh_from_db(fields=["deploy_key"])
    key: str = project.deploy_key
    return key


def pin_code_host(project: Project, keys: list[PinnedKey], by: str) -> None:
    """From now on the code host is known by these keys; others of the same name are forgotten, which a person saw."""
    names = {key.names for key in keys}
    kept = [key for key in parse_host_keys(project.code_host_keys) if key.names not in names]
    lines = "".join(f"{key.line}\n" for key in [*kept, *keys])
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(code_host_keys=lines)
        record(by, "approved the code host's keys", f"project {project}", keys=[key.fingerprint for key in keys])
    project.code_host_keys = lines


def change_token(project: Project, token: str, by: str) -> None:
    """What the repository is read with over https from now on; empty: nothing."""
    with transaction.atomic():
        project.code_host_token = token
        project.save(update_fields=["code_host_token"])
        record(by, "changed", f"project {project}", fields=["code_host_token"])


def change_branch(project: Project, branch: str, by: str) -> None:
    """Which branch is the default one from now on. Raises BadProject."""
    project.default_branch = branch
    try:
        project.clean_fields(exclude=[field.name for field in project._meta.fields if field.name != "default_branch"])
    except ValidationError as error:
        raise BadProject(" ".join(error.messages)) from error
    with transaction.atomic():
        project.save(update_fields=["default_branch"])
        record(by, "changed", f"project {project}", fields=["default_branch"])


def needs_host_keys(project: Project) -> bool:
    """Whether its code host has to be known by a key: then nothing is read before one is approved."""
    return parse_clone_url(project.clone_url, allow_local=True).transport == Transport.SSH


def listen(project: Project) -> Refusal:
    """From now on the last delivery that was refused is noted."""
    return Refusal.objects.get_or_create(project=project)[0]


def note_refusal(name: str, why: str) -> None:
    """A delivery for the project of this name was not taken: for whoever sets it up.

    Nothing is noted of a project that was never set up here, and nothing of what comes right after another: strangers
    can send any number. It costs the same whether there is such a project or not.
    """
    now = timezone.now()
    due = Refusal.objects.filter(project__name=name).exclude(at__gt=now - timedelta(seconds=_NOTED_SECONDS))
    due.update(at=now, why=why[:300])
