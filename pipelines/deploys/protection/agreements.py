"""Who has agreed to a deploy: to exactly this release, this configuration and these hosts."""

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

from django.contrib.auth.models import User

from pipelines.audit.actors import maker_of, number_of
from pipelines.deploys.models import Deploy, DeployApproval, Environment
from pipelines.deploys.protection import authors
from pipelines.projects.models import Member, Role


class Place(Protocol):
    """What of a host people agree to; `port` None: the environment's."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def group(self) -> str: ...


def fingerprint(deploy: Deploy, hosts: Iterable[Place]) -> str:
    """The hash of what people agree to: the release, its configuration, the hosts, and how carefully it goes there."""
    release, place = deploy.release, deploy.environment
    where = sorted([host.name, host.address, host.port or place.ssh_port, host.group] for host in hosts)
    budget = [place.at_once, place.max_failures, place.max_unreachable, place.on_breach]
    plan = [release.number, release.digest, deploy.configuration.version, where, place.strategy, budget]
    return hashlib.sha256(json.dumps(plan, separators=(",", ":")).encode()).hexdigest()


def plan_of(deploy: Deploy) -> str:
    """The hash of the deploy with the hosts that its environment is known to have now."""
    return fingerprint(deploy, deploy.environment.hosts.filter(gone_at=None))


def words(deploy: Deploy) -> list[DeployApproval]:
    """What people have said on the deploy so far, the earliest first; those of another plan no longer count."""
    return list(deploy.approvals.select_related("person").order_by("pk"))


def agreed(deploy: Deploy, plan: str) -> list[DeployApproval]:
    """The words that count for this plan: of people who, as things stand now, may still have one."""
    said = DeployApproval.objects.filter(deploy=deploy, plan=plan, refused=False, person__is_active=True)
    found = said.select_related("person").order_by("pk")
    return [word for word in found if word.person is not None and not why_not(deploy, word.person)]


def missing(deploy: Deploy, plan: str) -> int:
    """How many people more must agree to this plan."""
    wanted = deploy.environment.approvals
    return max(0, wanted - len(agreed(deploy, plan))) if wanted else 0


def why_not(deploy: Deploy, person: User) -> str:
    """Why this person's word on the deploy would not count; empty when it would."""
    team = deploy.environment.approver_team
    if team is not None and not person.groups.filter(pk=team.pk).exists():
        return f"it asks for somebody of {team.name}"
    if number_of(deploy.asked_by) == person.pk:
        return "who asked for a deploy does not approve it"
    if maker_of(deploy.asked_by) == person.pk:
        return "who made the token that asked for a deploy does not approve it"
    if not _has_role(person, deploy.environment):
        return f"it takes the role {least_role(deploy.environment).value} in {deploy.environment.project}"
    if authors.wrote(deploy, person):
        return "who wrote some of what it brings does not approve it"
    return ""


def least_role(environment: Environment) -> Role:
    """What a person must be in the project for their word to count: where no team is named, who may deploy there."""
    return Role.DEVELOPER if environment.approver_team_id is not None else Role.MAINTAINER


def _has_role(person: User, environment: Environment) -> bool:
    """Access asks this when the word is given; here it is whether they still have it."""
    roles = list(Role)
    enough = roles[roles.index(least_role(environment)) :]
    member = Member.objects.filter(project=environment.project_id, team__in=person.groups.all(), role__in=enough)
    return person.is_superuser or member.exists()
