"""What is done to a deploy: pause it, let it go on, agree to it, answer what it asks, stop it."""

from collections.abc import Callable

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.deploys import approvals, followups, queue, requests, waits
from pipelines.deploys.models import Deploy
from server import access, fetching
from server.access import Act
from server.api.callers import actor, caller, human
from server.api.deploys import DEPLOY, made
from server.api.shapes import deploys as shapes
from server.api.shapes.deploys import DeployShape, WholeDeploy
from server.api.shapes.words import Reasoned, Short, Why

router = Router(tags=["Deploys"])


class Seen(Schema):
    """`seen` of the deploy as it was looked at: another wait is not ended. Empty: whatever it waits for."""

    seen: Short = ""


class Planned(Schema):
    """`plan` of the deploy as it was looked at: nothing else is agreed to."""

    plan: Short = Field(examples=["0" * 64])


class Overriding(Schema):
    why: Why = Field(min_length=1)


@router.post(DEPLOY + "/cancel", response=WholeDeploy)
def cancel_deploy(request: HttpRequest, project: str, number: int, given: Reasoned) -> WholeDeploy:
    """Stop a deploy: at once when it has not begun, else between two hosts. Twice is harmless."""
    found = fetching.deploy(caller(request), project, number, Act.CANCEL_DEPLOY)
    requests.cancel(found, actor(request), given.why)
    return _now(request, project, number)


@router.post(DEPLOY + "/stop-and-go-back", response={201: DeployShape})
def stop_and_go_back(request: HttpRequest, project: str, number: int, given: Reasoned) -> Answer[DeployShape]:
    """Stop it, and bring what was live back to the hosts that it has switched. The answer is what follows."""
    return _follow(request, project, number, Act.ROLL_BACK, followups.abort, given.why)


@router.post(DEPLOY + "/pause", response=WholeDeploy)
def pause_deploy(request: HttpRequest, project: str, number: int) -> WholeDeploy:
    """Let it wait before the next hosts."""
    waits.pause(fetching.deploy(caller(request), project, number, Act.CANCEL_DEPLOY), actor(request))
    return _now(request, project, number)


@router.post(DEPLOY + "/go-on", response=WholeDeploy)
def go_on(request: HttpRequest, project: str, number: int, given: Seen) -> WholeDeploy:
    """Let it go on that is paused, bakes or is watched."""
    found = fetching.deploy(caller(request), project, number, Act.DEPLOY)
    waits.go_on(found, actor(request), given.seen or None)
    return _now(request, project, number)


@router.post(DEPLOY + "/accept-hosts", response=WholeDeploy)
def accept_hosts(request: HttpRequest, project: str, number: int, given: Planned) -> WholeDeploy:
    """Take the hosts that were listed for all there are."""
    found = fetching.deploy(caller(request), project, number, Act.DEPLOY)
    waits.accept_hosts(found, actor(request), given.plan)
    return _now(request, project, number)


@router.post(DEPLOY + "/finish-forward", response={201: DeployShape})
def finish_forward(request: HttpRequest, project: str, number: int, given: Reasoned) -> Answer[DeployShape]:
    """Bring the hosts that are not done to the same release. The answer is the deploy that follows."""
    return _follow(request, project, number, Act.DEPLOY, followups.finish_forward, given.why)


@router.post(DEPLOY + "/bring-back", response={201: DeployShape})
def bring_back(request: HttpRequest, project: str, number: int, given: Reasoned) -> Answer[DeployShape]:
    """Bring what is live back to the hosts that it has switched. The answer is the deploy that follows."""
    return _follow(request, project, number, Act.ROLL_BACK, followups.bring_back, given.why)


@router.post(DEPLOY + "/approve", response=WholeDeploy)
def approve_deploy(request: HttpRequest, project: str, number: int, given: Planned) -> WholeDeploy:
    """Agree to exactly the plan that was looked at."""
    found, who = _asking(request, project, number)
    approvals.approve(found, who, actor(request), given.plan)
    return _now(request, project, number)


@router.post(DEPLOY + "/refuse", response=WholeDeploy)
def refuse_deploy(request: HttpRequest, project: str, number: int, given: Reasoned) -> WholeDeploy:
    """Say no: the deploy is cancelled."""
    found, who = _asking(request, project, number)
    approvals.refuse(found, who, actor(request), given.why)
    return _now(request, project, number)


@router.post(DEPLOY + "/override", response=WholeDeploy)
def override_deploy(request: HttpRequest, project: str, number: int, given: Overriding) -> WholeDeploy:
    """Let a deploy that waits pass what keeps it away; the audit names all of that."""
    found = fetching.deploy(caller(request), project, number, Act.OVERRIDE)
    human(request, "override")
    queue.override(found, actor(request), given.why)
    return _now(request, project, number)


def _asking(request: HttpRequest, project: str, number: int) -> tuple[Deploy, User]:
    found = fetching.deploy(caller(request), project, number, Act.APPROVE_DEPLOY)
    access.require(caller(request), access.approving(found.environment), found.environment.project)
    return found, human(request, "approve a deploy")


def _follow(
    request: HttpRequest, project: str, number: int, act: Act, verb: Callable[[Deploy, str, str], Deploy], why: str
) -> Answer[DeployShape]:
    return made(verb(fetching.deploy(caller(request), project, number, act), actor(request), why))


def _now(request: HttpRequest, project: str, number: int) -> WholeDeploy:
    return shapes.whole_deploy(fetching.deploy(caller(request), project, number))
