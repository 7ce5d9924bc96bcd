"""Gathers from the records what a message is to say of an environment and its deploys."""

from dataclasses import dataclass, replace
from typing import Any

from pipelines.deploys import announcements
from pipelines.deploys.models import AlarmAction, Deploy, DeployKind, Environment, Waits
from pipelines.outbox.models import Message, Notice
from pipelines.states.models import Transition
from pipelines.states.status import BAD
from server.notifications import words
from server.notifications.errors import Refused
from server.notifications.links import deploy_url, environment_url, hosts_url
from server.notifications.words import AskingDeploy, Cause, EndedDeploy, InspectedHosts, Overruled, RaisedAlarm, Words

_WISHES = {
    Waits.MIGRATION: "waits for a person to see how a migration ended",
    Waits.APPROVAL: "waits for people to agree",
    Waits.HOSTS: "waits for a person to confirm that hosts are missing",
    Waits.BREACH: "has stopped half way: finish forward, or bring back",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says, about which environment, and who reads it by mail."""

    environment: Environment
    words: Words
    mail_to: tuple[str, ...]


def said(message: Message) -> Said:
    """What `message` is to say. Raises Refused for what is not there any more, or is nothing to tell people of."""
    return _of_notice(message.notice) if message.notice is not None else _of_transition(message)


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


def _of_transition(message: Message) -> Said:
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
    return Said(deploy.environment, _words(message.topic, about), to)


def _words(topic: str, about: EndedDeploy) -> Words:
    if topic == announcements.OVERRIDDEN:
        return words.overriding_deploy(about)
    if topic.startswith(announcements.ASKED):
        wish = _WISHES[Waits(topic.removeprefix(announcements.ASKED))]
        return words.asking_deploy(AskingDeploy(about, wish))
    return words.ended_deploy(about)


def _of_notice(notice: Notice) -> Said:
    environment = Environment.objects.select_related("project").filter(pk=notice.subject_id).first()
    if environment is None:
        raise Refused("the environment that it tells of is not there any more")
    return Said(environment, _SPOKEN[notice.topic](environment, notice.facts), tuple(notice.facts.get("mail_to", ())))


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
