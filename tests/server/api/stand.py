"""A project with something of everything, and clients of the API for everybody."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from pipelines.notifications import lifecycle as notifications
from pipelines.notifications.lifecycle import Wish
from pipelines.outbox.models import Message
from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.probes import lifecycle as probes
from pipelines.probes.models import Kind as Questions
from pipelines.projects import pipelines
from pipelines.projects.models import Project, Role
from pipelines.roster import lifecycle as roster
from pipelines.roster.models import Kind
from pipelines.runs.models import Attempt, Run
from pipelines.schedules import lifecycle as schedules
from pipelines.screens import lifecycle as screens
from tests.factories import (
    SPEC,
    configure,
    finish_stage,
    join,
    make_deploy,
    make_environment,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_run,
    make_secret,
)
from tests.pipelines.reports.reporting import cases, report_stage


@dataclass(frozen=True)
class Stand:
    """What the addresses name."""

    project: Project
    run: Run
    attempt: Attempt
    names: dict[str, object]


def make_stand() -> Stand:
    project = make_project()
    environment = make_environment(project)
    configure(environment, {"WORKERS": "4"})
    make_live(environment)
    make_live(environment)
    deploy = make_deploy(environment)
    make_secret(project)
    environment.secrets.create(name="PASSWORD", value="hunter2-hunter2")
    run = make_run(project)
    attempt = finish_stage(run)
    report = report_stage(make_run(project), cases([], ["a"]), stage="build")
    pipelines.keep(project, SPEC, "ana (#1)")
    probes.ask(Questions.AUDIT, 0, "ana (#1)")
    probes.ask(Questions.HOST_KEYS, environment.pk, "ana (#1)")
    names: dict[str, object] = {
        "project": project.name,
        "environment": environment.name,
        "number": deploy.number,
        "log": attempt.log_id,
        "artifact": attempt.artifacts.get().pk,
        "event": run.events.get().pk,
        "schedule": schedules.make(project, "nightly", "30 2 * * *", "UTC", "", {}, "ana").pk,
        "stage": "build",
        "test": report.results.get().test.key,
        "look": "host_keys",
        "version": 1,
        "name": roster.register("box", 7, Kind.STAGE, ["linux"], "1").name,
        **_names_of_people(project),
    }
    return Stand(project, run, attempt, names)


def _names_of_people(project: Project) -> dict[str, object]:
    """Whoever is let in, is told, or shows a key."""
    Group.objects.create(name="outsiders")
    recipient = notifications.add_recipient(project, "webhook", "https://hooks.example.org/in", "", "ana (#1)")
    rule = notifications.add_rule(recipient, Wish(["run.failed"]), "ana (#1)")
    notifications.send_test(recipient, "ana (#1)")
    Message.objects.filter(target=recipient.pk).update(sent_at=timezone.now())
    token, _ = tokens.machine(project, Role.VIEWER, "a script", [Scope.READ], None, by="ana (#1)")
    return {
        "member": join(make_person(), project, Role.VIEWER).pk,
        "recipient": recipient.pk,
        "rule": rule.pk,
        "message": Message.objects.get(target=recipient.pk).pk,
        "token": token.pk,
        "screen": screens.pair(make_person(), "kitchen", "K7DM-X2PQ", None, by="ana (#1)").pk,
        "probe_id": probes.ask(Questions.CLONE_URL, 0, "ana (#1)", {"url": "https://git.example.org/a"}).pk,
        "kind": "repository",
    }


def make_people(project: Project) -> dict[str, User | None]:
    people: dict[str, User | None] = {role: make_person(project=project, role=Role(role)) for role in Role.values}
    return {"anonymous": None, "stranger": make_person(), **people, "operator": make_operator()}


def token_of(person: User, *scopes: Scope) -> str:
    _, text = tokens.personal(person, "a test's", scopes or list(Scope), None, project=None, by="test")
    return text


def bearing(text: str, **options: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"}, **options)
