"""Gathers from the records what a message is to say, and of what."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pipelines.deploys import announcements, rollbacks
from pipelines.deploys.models import AlarmAction, Deploy, DeployKind, Environment, Waits
from pipelines.notifications.lifecycle import TEST
from pipelines.notifications.models import Topic
from pipelines.outbox.models import Message, Notice
from pipelines.projects.models import Project
from pipelines.runs.models import Run, Stage
from pipelines.states.models import Transition
from pipelines.states.status import BAD, Status
from server.notifications import run_words, words
from server.notifications.digest_facts import digest
from server.notifications.errors import Refused
from server.notifications.links import deploy_url, environment_url, hosts_url, messages_url
from server.notifications.run_facts import end_of, run_of, told_run
from server.notifications.words import (
    AskingDeploy,
    Button,
    Cause,
    Detail,
    EndedDeploy,
    InspectedHosts,
    Overruled,
    RaisedAlarm,
    Words,
)

_WISHES = {
    Waits.MIGRATION: "waits for a person to see how a migration ended",
    Waits.APPROVAL: "waits for people to agree",
    Waits.HOSTS: "waits for a person to confirm that hosts are missing",
    Waits.BREACH: "has stopped half way: finish forward, or bring back",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says, and who reads it by mail where an environment's own settings name them.

    `subject`: what a chat's thread is kept for. `facts` are the same for programs, as JSON has them.
    """

    project: Project
    words: Words
    mail_to: tuple[str, ...] = ()
    subject: tuple[str, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def said(message: Message) -> Said:
    """What `message` is to say. Raises Refused for what is not there any more, or is nothing to tell people of."""
    told = message.transition
    if message.notice is not None:
        return _of_notice(message.notice)
    if told is not None and told.subject_kind in (Run.machine.name, Stage.machine.name):
        return _of_run(told)
    return _of_deploy(message)


def ended_deploy(deploy: Deploy, told: Transition) -> EndedDeploy:
    bad = deploy.hosts.filter(status__in=BAD).select_related("host").order_by("wave", "host__name")
    undone_by = getattr(deploy, "undone_by", None)
    return EndedDeploy(
        project=deploy.environment.project.name,
        environment=deploy.environment.name,
        number=deploy.number,
        status=told.to_status,
        is_rollback=deploy.kind == DeployKind.ROLLBACK,
        release=deploy.release.number,
        short_sha=deploy.release.short_sha,
        title=deploy.release.title,
        asked_by=deploy.asked_by,
        why=deploy.why,
        reason=told.reason,
        hosts=deploy.hosts.count(),
        bad_hosts=tuple(Cause(row.host.name, row.reason) for row in bad),
        undone_by=undone_by.number if undone_by else None,
        undone_to=undone_by.release.number if undone_by else None,
        url=deploy_url(deploy.environment.project.name, deploy.number),
        author=deploy.release.author,
        replaces=deploy.replaces.number if deploy.replaces else None,
        repaired=tuple(deploy.only or ()) if deploy.kind == DeployKind.REPAIR else (),
        override=deploy.override,
    )


def _of_run(told: Transition) -> Said:
    run = run_of(told)
    about = told_run(run, told)
    spoken = run_words.asking_run(about) if told.to_status == Status.BLOCKED else run_words.ended_run(about)
    return Said(run.project, spoken, (), (Run.machine.name, run.pk), {"run": asdict(about)})


def _of_deploy(message: Message) -> Said:
    told = message.transition
    found = Deploy.objects.select_related("environment__project", "release", "replaces", "undone_by__release")
    is_deploy = told is not None and told.subject_kind == Deploy.machine.name
    deploy = found.filter(pk=told.subject_id).first() if told is not None and is_deploy else None
    if told is None or deploy is None:
        raise Refused("what it tells of is not there any more, or is nothing to tell people of")
    about = ended_deploy(deploy, told)
    if message.topic == f"{announcements.ASKED}{deploy.waits_for}":
        about = replace(about, reason=deploy.reason)  # it may have come to ask while it was blocked already
    to = tuple(announcements.addresses(deploy.environment.mail_to))
    spoken = _words(message.topic, about)
    spoken = replace(spoken, buttons=_buttons(deploy, message.topic, told), details=_details(deploy, told))
    subject = (Deploy.machine.name, deploy.pk)
    return Said(deploy.environment.project, spoken, to, subject, {"deploy": asdict(about)})


def _buttons(deploy: Deploy, topic: str, told: Transition) -> tuple[Button, ...]:
    """To agree while it is asked for; to go back once it has ended, as long as its environment has something to."""
    place = deploy.environment
    url = deploy_url(place.project.name, deploy.number)
    if topic.startswith(announcements.ASKED):
        label = "Approve or refuse" if topic.endswith(Waits.APPROVAL) else "Decide"
        return (Button(label, f"{url}#asks"),)
    buttons = (Button(f"Open deploy {deploy.number}", url),)
    back = rollbacks.targets(place, rollbacks.strays(place)).first() if topic == announcements.ENDED else None
    if back is None or deploy.kind == DeployKind.ROLLBACK:
        return buttons
    there = f"{environment_url(place.project.name, place.name)}#rollback"
    return (*buttons, Button(f"Roll back to release {back.number}", there))


def _details(deploy: Deploy, told: Transition) -> tuple[Detail, ...]:
    """The end of the first bad host's log."""
    if told.to_status not in BAD:
        return ()
    row = deploy.hosts.filter(status__in=BAD).select_related("host", "log").order_by("wave", "host__name").first()
    output = end_of(row.log) if row else ""
    return (Detail(f"The last lines of {row.host.name}", (), output),) if row and output.strip() else ()


def _words(topic: str, about: EndedDeploy) -> Words:
    if topic == announcements.BEGUN:
        return words.begun_deploy(about)
    if topic == announcements.OVERRIDDEN:
        return words.overriding_deploy(about)
    if topic.startswith(announcements.ASKED):
        wish = _WISHES[Waits(topic.removeprefix(announcements.ASKED))]
        return words.asking_deploy(AskingDeploy(about, wish))
    return words.ended_deploy(about)


def _of_notice(notice: Notice) -> Said:
    if notice.subject_kind == "project":
        return _of_project(notice)
    environment = Environment.objects.select_related("project").filter(pk=notice.subject_id).first()
    if environment is None:
        raise Refused("the environment that it tells of is not there any more")
    spoken = _SPOKEN[notice.topic](environment, notice.facts)
    told = {name: value for name, value in notice.facts.items() if name != "mail_to"}
    facts = {"environment": environment.name, notice.topic: told}
    return Said(environment.project, spoken, tuple(notice.facts.get("mail_to", ())), None, facts)


def _of_project(notice: Notice) -> Said:
    """What concerns all of a project."""
    project = Project.objects.filter(pk=notice.subject_id).first()
    if project is None:
        raise Refused("the project that it tells of is not there any more")
    if notice.topic == TEST:
        spoken = words.test(project.name, notice.facts.get("by", ""), messages_url(project.name))
    else:
        assert notice.topic == Topic.DIGEST, "nothing else is said of a whole project"
        spoken = digest(project, notice.facts)
    return Said(project, spoken, facts={notice.topic: notice.facts})


def _inspected(environment: Environment, facts: dict[str, Any]) -> Words:
    project = environment.project.name
    by_kind = {
        kind: tuple(Cause(name, why) for name, why in facts.get(kind, []))
        for kind in ("drifted", "ill", "unreachable", "mended")
    }
    found = InspectedHosts(
        project, environment.name, **by_kind, follows=facts.get("follows", ""), url=hosts_url(project, environment.name)
    )
    return words.inspected_hosts(found)


def _raised(environment: Environment, facts: dict[str, Any]) -> Words:
    project = environment.project.name
    alarm = RaisedAlarm(
        project=project,
        environment=environment.name,
        name=facts["name"],
        cause=facts["cause"],
        found=facts["found"],
        action=AlarmAction(facts["action"]).label,
        release=facts["release"],
        url=deploy_url(project, facts["deploy"]),
        link=f"Deploy {facts['deploy']}",
    )
    return words.raised_alarm(alarm)


def _overruled(environment: Environment, facts: dict[str, Any]) -> Words:
    project = environment.project.name
    told = {name: facts[name] for name in ("actor", "did", "because", "why")}
    url = environment_url(project, environment.name)
    return words.overruled(Overruled(project=project, environment=environment.name, url=url, **told))


_SPOKEN = {
    announcements.INSPECTED: _inspected,
    announcements.ALARM: _raised,
    announcements.OVERRULED: _overruled,
}
