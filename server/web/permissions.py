"""What a page says about acts: which may be done, and in words why the others may not."""

from collections.abc import Mapping

from django.contrib.auth.models import User

from pipelines.deploys import approvals
from pipelines.deploys.models import Deploy
from pipelines.projects.models import Project
from server import access
from server.access import Act, Person


def of(person: Person, project: Project) -> Mapping[str, str]:
    """Act → why this person may not do it, in words; acts that they may do are not in it."""
    allowed = access.acts(person, project)
    return {act.name.lower(): _why_not(act) for act in Act if act not in allowed}


def word(person: User, deploy: Deploy) -> str:
    """Why this person's word on a deploy that asks for approval would not be taken; empty when it would."""
    place = deploy.environment
    if not access.may(person, access.approving(place), place.project):
        return f"{place.name} asks for somebody who may deploy there"
    return approvals.why_not(deploy, person)


def _why_not(act: Act) -> str:
    role = access.least_role(act)
    return f"to {act.value} takes the role {role.value}"
