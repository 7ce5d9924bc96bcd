"""Four eyes: nobody agrees to their own deploy, neither by the page nor by the request that its button would send."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipelines.deploys import approvals, requests
from pipelines.deploys.models import Deploy, DeployApproval, Environment, Waits
from pipelines.projects.models import Project, Role
from pipelines.runs.models import Identity
from pipelines.states.status import Status
from server.access import actor
from tests.factories import list_hosts, make_environment, make_operator, make_person, make_release

pytestmark = pytest.mark.django_db

AT_CODE_HOST = 4711


@pytest.fixture
def production(project: Project) -> Environment:
    environment = make_environment(project, approvals=1)
    list_hosts(environment, ["web-1", "web-2"])
    return environment


def _owner_or_operator(project: Project, kind: str) -> User:
    return make_operator("grace") if kind == "operator" else make_person("grace", project, Role.OWNER)


def _approve(person: User, deploy: Deploy) -> str:
    """What the page says before, and what it says after the button's request."""
    client = Client()
    client.force_login(person)
    address = [deploy.environment.project.name, deploy.number]
    before = client.get(reverse("deploy", args=address)).content.decode()
    assert reverse("deploy-approve", args=address) not in before
    answer = client.post(reverse("deploy-approve", args=address), {"plan": approvals.plan_of(deploy)}, follow=True)
    deploy.refresh_from_db()
    return before + answer.content.decode()


@pytest.mark.parametrize("kind", ["owner", "operator"])
def test_who_wrote_what_it_brings_approves_neither_by_the_page_nor_by_a_request(
    project: Project, production: Environment, kind: str
) -> None:
    author = _owner_or_operator(project, kind)
    Identity.objects.create(user=author, code_host_id=AT_CODE_HOST)
    release = make_release(project, actor="grace-at-work", actor_id=AT_CODE_HOST)
    deploy = requests.request(production, release, "bob (#9)")
    said = _approve(author, deploy)
    assert said.count("who wrote some of what it brings") == 3, said
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.APPROVAL)
    assert not DeployApproval.objects.exists()


@pytest.mark.parametrize("kind", ["owner", "operator"])
def test_who_asked_for_it_approves_neither_by_the_page_nor_by_a_request(
    project: Project, production: Environment, kind: str
) -> None:
    asker = _owner_or_operator(project, kind)
    deploy = requests.request(production, make_release(project, actor="stranger"), actor(asker))
    said = _approve(asker, deploy)
    assert said.count("who asked for a deploy does not approve it") == 3, said
    assert (deploy.status, deploy.waits_for) == (Status.BLOCKED, Waits.APPROVAL)
    assert not DeployApproval.objects.exists()
