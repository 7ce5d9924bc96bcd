"""GitHub deployments out: what became of a deploy, told to the code host."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.deploys.models import Deploy, DeployKind
from pipelines.outbox import queue
from pipelines.outbox.models import Channel, Message
from pipelines.states.models import Transition
from pipelines.states.status import FINAL, Status
from server.notifications.errors import Refused, Unreachable
from server.notifications.links import deploy_url
from server.scm import api

TASK = "deploy"
NEEDS = "deployments"

_STATES = {
    Status.PENDING: "pending",
    Status.BLOCKED: "pending",
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.SUCCEEDED: "success",
    Status.FAILED: "failure",
    Status.ERRORED: "error",
    Status.CANCELLED: "error",
}


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What GitHub is told of one deployment. It is never to make others inactive: it would do that by name alone."""

    state: str
    description: str
    environment: str
    log_url: str
    environment_url: str = ""
    auto_inactive: bool = False

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value != ""}


def send(message: Message) -> None:
    """Tell the transition that `message` is about, with the deployment made first. Raises Refused or Unreachable.

    What a newer message has told better is not told any more; where two announcers met, the newest is told last.
    """
    told = message.transition
    found = Deploy.objects.select_related("environment__project", "release")
    deploy = found.filter(pk=told.subject_id).first() if told else None
    if told is None or deploy is None:
        raise Refused("the deploy is no longer there")
    if queue.later_sent(message).exists():
        return
    _post(deploy, describe(deploy, told))
    overtaken_by = queue.later_sent(message).first()
    if overtaken_by is not None and overtaken_by.transition is not None:
        _post(deploy, describe(deploy, overtaken_by.transition))
    if told.to_status == Status.SUCCEEDED:
        _retire(deploy)


def describe(deploy: Deploy, told: Transition) -> DeploymentStatus:
    """The words for a transition of `deploy`: its verdict and how many hosts it stands for.

    Why is for those who may see the project here: reasons hold addresses, what hosts answered, and what people wrote.
    """
    text = f"{DeployKind(deploy.kind).label} {deploy.number} {told.to_status}"
    if Status(told.to_status) in FINAL and (hosts := deploy.hosts.count()):
        well = deploy.hosts.filter(status=Status.SUCCEEDED).count()
        text += f", {well} of {hosts} host{'' if hosts == 1 else 's'} well"
    return _status(deploy, _state(deploy, told), text)


def _state(deploy: Deploy, told: Transition) -> str:
    """One that was sent away before it began has changed nothing; one that waits in its middle is under way."""
    begun = deploy.started_at is not None and told.at >= deploy.started_at
    if told.to_status == Status.CANCELLED and not begun:
        return "inactive"
    if told.to_status in (Status.QUEUED, Status.BLOCKED) and begun:
        return "in_progress"
    return _STATES[Status(told.to_status)]


def _status(deploy: Deploy, state: str, text: str) -> DeploymentStatus:
    place = deploy.environment
    return DeploymentStatus(state, api.cut(text), place.name, deploy_url(place.project.name, deploy.number), place.url)


def _post(deploy: Deploy, status: DeploymentStatus) -> None:
    number = deploy.code_host_id or _deployment(deploy)
    api.post(deploy.environment.project, f"deployments/{number}/statuses", status.to_json(), NEEDS)


def _deployment(deploy: Deploy) -> int:
    """The code host's number of this deploy. An announcer may have died after making it and before noting it."""
    number = _found(deploy) or _made(deploy)
    Deploy.objects.filter(pk=deploy.pk, code_host_id=None).update(code_host_id=number)
    deploy.refresh_from_db(fields=["code_host_id"])
    return deploy.code_host_id or number


def _found(deploy: Deploy) -> int | None:
    place = deploy.environment
    query = {"sha": deploy.release.sha, "environment": place.name, "task": TASK, "per_page": "100"}
    listed = api.get(place.project, "deployments", query, NEEDS)
    rows = listed if isinstance(listed, list) else []
    return next((_number(row) for row in rows if _payload(row) == _mark(deploy)), None)


def _made(deploy: Deploy) -> int:
    """Exactly the commit, whatever its checks say and wherever its branch stands by now."""
    place = deploy.environment
    values = {
        "ref": deploy.release.sha,
        "task": TASK,
        "auto_merge": False,
        "required_contexts": [],
        "environment": place.name,
        "production_environment": place.is_production,
        "transient_environment": False,
        "description": api.cut(f"{deploy.kind} {deploy.number}: release {deploy.release.number}"),
        "payload": _mark(deploy),
    }
    return _number(api.post(place.project, "deployments", values, NEEDS))


def _mark(deploy: Deploy) -> dict[str, str]:
    return {"slipway": deploy_url(deploy.environment.project.name, deploy.number)}


def _payload(row: Any) -> Any:
    """As it was given, or as the text that it was sent as."""
    given = row.get("payload") if isinstance(row, dict) else None
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return None


def _number(row: Any) -> int:
    number = row.get("id") if isinstance(row, dict) else None
    if not isinstance(number, int):
        raise Unreachable("the code host answered without a deployment's number")
    return number


def _retire(deploy: Deploy) -> None:
    """Of an environment's deployments one is active: the newest that went well, in whichever order they are told."""
    place = deploy.environment
    went_well = place.deploys.exclude(kind=DeployKind.REPAIR).filter(status=Status.SUCCEEDED)
    known = went_well.exclude(pk=deploy.pk).exclude(code_host_id=None).select_related("environment__project", "release")
    if any(_was_told(later) for later in known.filter(fence__gt=deploy.fence)):
        _post(deploy, _status(deploy, "inactive", "Another release is live"))
        return
    former = known.filter(fence__lt=deploy.fence).order_by("-fence").first()
    if former is not None:
        _post(former, _status(former, "inactive", f"Replaced by release {deploy.release.number}"))


def _was_told(deploy: Deploy) -> bool:
    rows = Message.objects.filter(channel=Channel.DEPLOYMENT, transition__subject_kind=Deploy.machine.name)
    of_verdict = rows.filter(transition__subject_id=deploy.pk, transition__to_status=Status.SUCCEEDED)
    return of_verdict.exclude(sent_at=None).exists()
