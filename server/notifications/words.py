"""Pure: from what happened to the sentences that people read, wherever they read them."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_HOSTS = 10  # named one by one


@dataclass(frozen=True, slots=True)
class Cause:
    """The stage or host that something is said of, and what."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Button:
    """Leads to the page where something can be done; it does nothing by itself."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Detail:
    """What is read by those who look closer: lines under a title, or the end of a log as it stands."""

    title: str
    lines: tuple[str, ...] = ()
    output: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """A headline; the one cause that belongs into it where nothing else is shown; lines; who and what follows; a link.

    All of it is somebody else's text in part, and is made harmless by whoever renders it.
    """

    headline: str
    cause: str = ""
    lines: tuple[str | Cause, ...] = ()
    notes: tuple[str, ...] = ()
    url: str = ""
    link: str = ""
    buttons: tuple[Button, ...] = ()
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class EndedDeploy:
    """A deploy, rollback or repair that has its verdict; `undone_by` is the rollback that follows by itself."""

    project: str
    environment: str
    number: int
    status: str
    is_rollback: bool
    release: int
    short_sha: str
    title: str
    asked_by: str
    why: str
    reason: str
    hosts: int
    bad_hosts: tuple[Cause, ...]
    undone_by: int | None
    undone_to: int | None
    url: str
    author: str = ""
    replaces: int | None = None
    repaired: tuple[str, ...] = ()
    override: str = ""


@dataclass(frozen=True, slots=True)
class AskingDeploy:
    """A deploy that goes on only when a person has done something; `wish` says what."""

    deploy: EndedDeploy
    wish: str


@dataclass(frozen=True, slots=True)
class InspectedHosts:
    """What an inspection found to be different from the last one, by host."""

    project: str
    environment: str
    drifted: tuple[Cause, ...]
    ill: tuple[Cause, ...]
    unreachable: tuple[Cause, ...]
    mended: tuple[Cause, ...]
    follows: str
    url: str


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """An alarm of an environment that went off while `release` was watched."""

    project: str
    environment: str
    name: str
    cause: str
    found: str
    action: str
    release: int
    url: str
    link: str


@dataclass(frozen=True, slots=True)
class Overruled:
    """Somebody has ended what another person, or Slipway, kept deploys away with: who did what, and both reasons."""

    project: str
    environment: str
    actor: str
    did: str
    because: str
    why: str
    url: str


def ended_deploy(deploy: EndedDeploy) -> Words:
    cause = next((f"{host.name}: {host.reason}" for host in deploy.bad_hosts), deploy.reason)
    return Words(
        _headline(deploy),
        "" if deploy.status == "succeeded" else cause,
        (_commit(deploy), *([deploy.reason] if deploy.reason else []), *_named(deploy.bad_hosts)),
        _notes(deploy),
        deploy.url,
        f"Deploy {deploy.number}",
    )


def begun_deploy(deploy: EndedDeploy) -> Words:
    headline = f"{_place(deploy)}: {_what(deploy)} {deploy.number} of release {deploy.release} has begun"
    return Words(headline, "", (_commit(deploy),), _notes(deploy), deploy.url, f"Deploy {deploy.number}")


def test(project: str, actor: str, url: str) -> Words:
    """What somebody sends to see whether it arrives."""
    return Words(f"{project}: a test message", "", (f"{actor} wants to see whether messages arrive here.",), (), url,
                 f"Messages of {project}")  # fmt: skip


def asking_deploy(asking: AskingDeploy) -> Words:
    deploy = asking.deploy
    headline = f"{_place(deploy)}: {_what(deploy)} {deploy.number} of release {deploy.release} {asking.wish}"
    lines = (_commit(deploy), *([deploy.reason] if deploy.reason else []), *_named(deploy.bad_hosts))
    return Words(headline, deploy.reason, lines, _notes(deploy), deploy.url, f"Deploy {deploy.number}")


def overriding_deploy(deploy: EndedDeploy) -> Words:
    """Said when it is asked for, not when it has ended: somebody may want to stop it."""
    who = deploy.asked_by or "Slipway"
    headline = f"{_place(deploy)}: {who} lets release {deploy.release} pass locks, freezes and approvals"
    return Words(headline, deploy.override, (_commit(deploy), deploy.override), _notes(deploy), deploy.url,
                 f"Deploy {deploy.number}")  # fmt: skip


def inspected_hosts(found: InspectedHosts) -> Words:
    told = [
        (found.drifted, "differs from the record", "differ from the record"),
        (found.ill, "is not healthy", "are not healthy"),
        (found.unreachable, "cannot be reached", "cannot be reached"),
        (found.mended, "is in order again", "are in order again"),
    ]
    parts = [_counted(hosts, one, many) for hosts, one, many in told if hosts]
    all_hosts = (*found.drifted, *found.ill, *found.unreachable, *found.mended)
    first = all_hosts[0] if all_hosts else Cause("", "")
    return Words(
        f"{found.project}: {found.environment}: {', '.join(parts)}",
        f"{first.name}: {first.reason}" if first.reason else "",
        _named(all_hosts),
        (found.follows,) if found.follows else (),
        found.url,
        f"Hosts of {found.environment}",
    )


def raised_alarm(alarm: RaisedAlarm) -> Words:
    headline = f"{alarm.project}: {alarm.environment}: alarm {alarm.name} went off after release {alarm.release}"
    lines = (f"Cause: {alarm.cause}", f"Found: {alarm.found}", f"Action: {alarm.action}")
    return Words(headline, alarm.found, lines, (), alarm.url, alarm.link)


def overruled(told: Overruled) -> Words:
    headline = f"{told.project}: {told.environment}: {told.actor} {told.did}"
    lines = (f"It was there because: {told.because}", f"It has gone because: {told.why}")
    return Words(headline, told.why, lines, (), told.url, told.environment)


def _headline(deploy: EndedDeploy) -> str:
    if deploy.status != "succeeded":
        return f"{_place(deploy)}: {_what(deploy)} {deploy.number} of release {deploy.release} {deploy.status}"
    if deploy.is_rollback:
        return f"{_place(deploy)} is rolled back to release {deploy.release}"
    if deploy.repaired:
        return f"{_place(deploy)}: {_some(deploy.repaired)} brought to release {deploy.release}"
    return f"{_place(deploy)} runs release {deploy.release}, on {_count(deploy.hosts)}"


def _place(deploy: EndedDeploy) -> str:
    return f"{deploy.project}: {deploy.environment}"


def _what(deploy: EndedDeploy) -> str:
    return "repair" if deploy.repaired else "rollback" if deploy.is_rollback else "deploy"


def _commit(deploy: EndedDeploy) -> str:
    return f"{deploy.short_sha} {deploy.title}" + (f", by {deploy.author}" if deploy.author else "")


def _notes(deploy: EndedDeploy) -> tuple[str, ...]:
    who = f"asked for by {deploy.asked_by}" if deploy.asked_by else "by Slipway itself"
    notes = [f"{who}, {deploy.why}" if deploy.why else who]
    if deploy.replaces and deploy.replaces != deploy.release:
        notes.append(f"replaces release {deploy.replaces}")
    if deploy.undone_by:
        notes.append(f"deploy {deploy.undone_by} brings release {deploy.undone_to} back")
    return tuple(notes)


def _named(hosts: Sequence[Cause]) -> tuple[str | Cause, ...]:
    if len(hosts) <= MAX_HOSTS:
        return tuple(hosts)
    return (*hosts[:MAX_HOSTS], f"• and {len(hosts) - MAX_HOSTS} hosts more")


def _counted(hosts: Sequence[Cause], one: str, many: str) -> str:
    return f"{hosts[0].name} {one}" if len(hosts) == 1 else f"{len(hosts)} hosts {many}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} hosts more"


def _count(hosts: int) -> str:
    return "1 host" if hosts == 1 else f"{hosts} hosts"
