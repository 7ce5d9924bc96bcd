"""A deploy's page: what it says while it goes, waits or has broken off, and what its buttons do."""

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.audit.models import Act
from pipelines.deploys import approvals, lifecycle, queue, waits
from pipelines.deploys.models import Deploy, DeployApproval, DeployKind, Environment, EnvironmentSecret, OnBreach, Waits
from pipelines.projects.models import Project, Role
from pipelines.states.status import Status
from server import access
from tests.factories import (
    begin_deploy,
    configure,
    finish_deploy,
    finish_host,
    make_deploy,
    make_environment,
    make_live,
    make_person,
    make_release,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(project: Project) -> Environment:
    """Release 1 is live on four hosts."""
    environment = make_environment(project, hosts=[f"web-{n}" for n in range(1, 5)], on_breach=OnBreach.ASK)
    make_live(environment)
    return environment


@pytest.fixture
def begun(production: Environment) -> Deploy:
    """Release 2 is on the first host, the others wait."""
    deploy = begin_deploy(make_deploy(production))
    finish_host(deploy, "web-1")
    return deploy


@pytest.fixture
def broken(begun: Deploy) -> Deploy:
    """One host has it, one failed, of one nothing is known; now it asks."""
    finish_host(begun, "web-2", Status.FAILED, "answers 503")
    finish_host(begun, "web-3", Status.ERRORED, "the connection broke")
    waits.wait(begun, Waits.BREACH, "2 hosts failed, none may")
    return begun


def page(client: Client, deploy: Deploy, query: str = "") -> str:
    address = reverse("deploy", args=[deploy.environment.project.name, deploy.number])
    return client.get(address + query).content.decode()


def press(client: Client, deploy: Deploy, act: str, **form: str) -> str:
    address = reverse(f"deploy-{act}", args=[deploy.environment.project.name, deploy.number])
    text = client.post(address, form, follow=True).content.decode()
    deploy.refresh_from_db()
    return text


def test_a_deploy_that_goes_can_be_paused_after_its_wave(maintainer: Client, begun: Deploy) -> None:
    assert "Pause after this wave" in page(maintainer, begun)
    assert "Pauses after this wave" in press(maintainer, begun, "pause")
    assert begun.pause_requested_at is not None


def test_one_that_waits_in_its_middle_goes_on_when_a_person_says_so(maintainer: Client, begun: Deploy) -> None:
    waits.wait(begun, Waits.PAUSE, "paused by ada")
    text = page(maintainer, begun)
    begun.refresh_from_db()
    seen = waits.stretch_of(begun)
    assert "1 of 4 hosts done, waits for a person to go on" in text
    assert f'name="seen" value="{seen}"' in text
    assert "look again" in press(maintainer, begun, "go-on", seen="bake 0")
    assert begun.status == Status.BLOCKED
    press(maintainer, begun, "go-on", seen=seen)
    assert begun.status == Status.QUEUED
    assert begun.started_at is not None


def test_a_wave_that_bakes_says_how_long_it_has_to_stay_healthy(maintainer: Client, begun: Deploy) -> None:
    until = begun.created_at.replace(year=begun.created_at.year + 1)
    waits.wait(begun, Waits.BAKE, "wave 1 has to stay healthy", until)
    text = page(maintainer, begun)
    assert "1 of 1, has to stay healthy for" in text
    assert "0 of 3, waits for wave 1" in text
    assert "Go on now" in text


def test_one_that_stopped_half_way_says_who_runs_what(viewer: Client, broken: Deploy) -> None:
    text = page(viewer, broken)
    assert "It stopped half-way: 2 on 2, 1 on 1, 1 unknown" in text
    assert "2 hosts failed, none may" in text
    for name in ("web-2", "web-3", "web-4"):
        assert f'<span class="mono">{name}</span>' in text


def test_finishing_forward_goes_to_the_hosts_that_are_not_done(maintainer: Client, broken: Deploy) -> None:
    assert "Finish forward: release 2 on 3 more" in page(maintainer, broken)
    text = press(maintainer, broken, "forward", why="the error was mine")
    made = Deploy.objects.latest("pk")
    assert (made.continues, made.only) == (broken, ["web-2", "web-3", "web-4"])
    assert broken.status == Status.FAILED
    assert f"Finishes deploy {broken.number}" in text
    assert "the error was mine" in text


def test_one_that_asks_with_every_host_done_is_taken_as_good(maintainer: Client, begun: Deploy) -> None:
    for name in ("web-2", "web-3", "web-4"):
        finish_host(begun, name)
    waits.wait(begun, Waits.BREACH, "alarm smoke went off")
    assert "Take it as good: every host is on release 2" in page(maintainer, begun)
    press(maintainer, begun, "forward", why="the alarm was wrong")
    begun.refresh_from_db()
    assert begun.status == Status.QUEUED
    assert Act.objects.get(verb="took as good").reason == "the alarm was wrong"


def test_bringing_back_undoes_what_was_switched(maintainer: Client, broken: Deploy) -> None:
    assert "Bring back release 1" in page(maintainer, broken)
    text = press(maintainer, broken, "back", why="it is worse than it looked")
    made = Deploy.objects.latest("pk")
    assert (made.undoes, made.release.number) == (broken, 1)
    assert f"Takes back deploy {broken.number}" in text


def test_hosts_that_are_missing_are_accepted_as_they_were_shown(maintainer: Client, production: Environment) -> None:
    deploy = begin_deploy(make_deploy(production))
    waits.put_back(deploy, Waits.HOSTS, "the inventory lists 1 host. Not listed: web-4", plan="a" * 64)
    assert "Not listed: web-4" in page(maintainer, deploy)
    assert "the list of hosts has changed since" in press(maintainer, deploy, "accept-hosts", plan="b" * 64)
    assert deploy.status == Status.BLOCKED
    press(maintainer, deploy, "accept-hosts", plan="a" * 64)
    assert (deploy.status, deploy.accepted_hosts) == (Status.QUEUED, "a" * 64)


@pytest.fixture
def asked(production: Environment) -> Deploy:
    """One that waits for somebody's agreement."""
    Environment.objects.filter(pk=production.pk).update(approvals=1)
    deploy = make_deploy(production, actor="ada (#999)")
    queue.settle(production.pk)
    deploy.refresh_from_db()
    return deploy


def test_a_deploy_is_approved_for_the_plan_that_was_shown(maintainer: Client, asked: Deploy) -> None:
    assert asked.waits_for == Waits.APPROVAL
    text = page(maintainer, asked)
    assert "Waits for people to agree" in text
    assert approvals.plan_of(asked) in text
    assert "Not taken: what" in press(maintainer, asked, "approve", plan="0" * 64)
    press(maintainer, asked, "approve", plan=approvals.plan_of(asked))
    assert asked.status == Status.QUEUED
    assert DeployApproval.objects.get().deploy == asked


def test_who_asked_is_told_why_they_cannot_approve(project: Project, asked: Deploy) -> None:
    person = make_person("ada", project, Role.OWNER)
    Deploy.objects.filter(pk=asked.pk).update(asked_by=f"ada (#{person.pk})")
    client = Client()
    client.force_login(person)
    assert "You cannot: who asked for a deploy does not approve it" in page(client, asked)
    press(client, asked, "approve", plan=approvals.plan_of(asked))
    assert asked.status == Status.BLOCKED


def test_without_a_team_those_approve_who_may_deploy_there_and_with_one_its_members(
    project: Project, asked: Deploy
) -> None:
    person = make_person("grace", project, Role.DEVELOPER)
    client = Client()
    client.force_login(person)
    assert "asks for somebody who may deploy there" in page(client, asked)
    answer = client.post(reverse("deploy-approve", args=[project.name, asked.number]), {"plan": "0" * 64})
    assert answer.status_code == 403
    Environment.objects.filter(pk=asked.environment_id).update(approver_team=person.groups.get())
    press(client, asked, "approve", plan=approvals.plan_of(asked))
    assert asked.status == Status.QUEUED


def test_a_viewer_is_told_which_role_approves(viewer: Client, asked: Deploy) -> None:
    assert "You cannot: to approve a deploy takes the role developer" in page(viewer, asked)


def test_a_word_for_another_plan_is_told_as_one_that_did_not_count(
    project: Project, viewer: Client, asked: Deploy
) -> None:
    grace, dan = (make_person(name, project, Role.MAINTAINER) for name in ("grace", "dan"))
    for person, plan in ((grace, "0" * 64), (dan, approvals.plan_of(asked))):
        DeployApproval.objects.create(deploy=asked, person=person, actor=access.actor(person), plan=plan)
    Deploy.objects.filter(pk=asked.pk).update(plan=approvals.plan_of(asked), waits_for="")
    text = page(viewer, asked)
    said = text[text.index("<dt>Approved</dt>") :].partition("</dd>")[0]
    assert said.count("which did not count") == 1
    assert said.index("grace") < said.index("which did not count") < said.index("dan")


def test_refusing_ends_it_with_the_reason(maintainer: Client, asked: Deploy) -> None:
    text = press(maintainer, asked, "refuse", why="not before the fair")
    assert asked.status == Status.CANCELLED
    assert "not before the fair" in text


def test_an_approver_who_may_not_cancel_cannot_end_a_rollback_by_declining_it(
    project: Project, production: Environment
) -> None:
    person = make_person("grace", project, Role.DEVELOPER)
    Environment.objects.filter(pk=production.pk).update(approvals=1, approver_team=person.groups.get())
    assert production.current is not None
    back = make_deploy(production, production.current, kind=DeployKind.ROLLBACK)
    client = Client()
    client.force_login(person)
    assert "asks for no approval" in press(client, back, "refuse")
    assert back.status == Status.QUEUED


def test_an_owner_lets_it_pass_with_a_reason_that_is_written_down(
    owner: Client, maintainer: Client, asked: Deploy
) -> None:
    assert "Deploy in spite of it" in page(owner, asked)
    assert "Deploy in spite of it" not in page(maintainer, asked)
    assert "Not done" in press(owner, asked, "override", why=" ")
    press(owner, asked, "override", why="the shop is down")
    assert (asked.status, asked.override) == (Status.QUEUED, "the shop is down")
    assert Act.objects.filter(verb="overrode", reason="the shop is down").exists()


def test_the_plan_says_what_it_brings_and_links_to_the_code_host(viewer: Client, production: Environment) -> None:
    Project.objects.update(code_host_name="example/shop")
    commit = {"id": "c" * 40, "message": "Weigh parcels\n\nmore", "author": {"username": "dana"}}
    release = make_release(production.project, payload={"commits": [commit]})
    text = page(viewer, make_deploy(production, release))
    assert f'href="https://github.com/example/shop/commit/{"c" * 40}"' in text
    assert "Weigh parcels" in text
    assert "2 commits by ada, dana" in text
    assert f"compare/{production.current.sha if production.current else ''}...{release.sha}" in text


def test_a_host_s_phases_are_told_in_words(viewer: Client, broken: Deploy) -> None:
    text = page(viewer, broken, "?host=web-2")
    assert 'aria-label="upload: done"' in text
    assert 'aria-label="health: bad"' in text
    assert 'aria-label="attach: not yet"' in text


def test_a_rollback_across_a_migration_that_cannot_be_undone_is_looked_at_first(
    maintainer: Client, production: Environment
) -> None:
    release = make_release(production.project)
    release.deploy_spec |= {"migrate": "./migrate", "irreversible": True}
    release.save()
    deploy = make_live(production, release)
    text = page(maintainer, deploy)
    assert "a migration cannot be undone: look first" in text
    assert "?to=1#rollback" in text
    environment = reverse("environment", args=[production.project.name, production.name])
    assert "cannot be undone" in maintainer.get(environment).content.decode()


def test_a_cancelled_deploy_offers_to_finish_and_to_roll_back(maintainer: Client, begun: Deploy) -> None:
    lifecycle.finish_deploy(begun, Status.CANCELLED, "cancelled by ada")
    text = page(maintainer, begun)
    assert "Finish forward: release 2 on 3 more" in text
    assert "Roll back to release 1" in text


def test_a_deploy_that_went_well_asks_nothing(viewer: Client, production: Environment) -> None:
    assert "half-way" not in page(viewer, finish_deploy(make_deploy(production)))


def test_the_configuration_is_compared_with_that_of_any_other_deploy(viewer: Client, production: Environment) -> None:
    first = production.deploys.get()
    for workers in ("4", "8"):
        configure(production, {"WORKERS": workers})
        last = make_live(production)
        EnvironmentSecret.objects.create(environment=production, name=f"TOKEN_{workers}", value="very-secret")
    waiting = make_deploy(production)
    text = page(viewer, last)
    assert "compared with" in text
    assert "− WORKERS=4" in text
    assert "+ WORKERS=8" in text
    assert "TOKEN_4" in text
    assert "very-secret" not in text
    text = page(viewer, last, f"?against={first.number}")
    assert "WORKERS=4" not in text
    assert "+ WORKERS=8" in text
    text = page(viewer, waiting)
    assert "the same values" in text
    assert "TOKEN_8" in text
    assert "TOKEN_4" not in text


def test_the_first_deploy_has_nothing_to_be_compared_with(viewer: Client, project: Project) -> None:
    environment = make_environment(project)
    configure(environment, {"WORKERS": "4"})
    text = page(viewer, make_deploy(environment))
    assert "+ WORKERS=4" in text
    assert "compared with" not in text
