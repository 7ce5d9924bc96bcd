"""What is done to an environment: deploy, roll back, put hosts right, lock it, order its queue."""

from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.deploys import inspections, locks, queue, requests, rollbacks
from pipelines.deploys.models import Environment, LockLevel, Release
from pipelines.deploys.requests import NotDeployable
from pipelines.errors import LostRace, UserError
from server import fetching
from server.access import Act
from server.api.callers import actor, caller, human, person
from server.api.deploys import made
from server.api.environments import ENVIRONMENT, whole
from server.api.shapes.deploys import DeployShape
from server.api.shapes.environments import WholeEnvironment
from server.api.shapes.words import Moment, Number, Reasoned, Short, Why

router = Router(tags=["Environments"])


class Deploying(Schema):
    """`override` is the reason for deploying in spite of what keeps deploys away; it takes an owner."""

    release: Number
    why: Why = ""
    override: Why = ""


class RollingBack(Schema):
    """Without `to`, the newest release that ran well there and is not live. `live`, if it is given, is what the caller
    knows to be live: when it is another by now, nothing is started."""

    to: Number | None = None
    live: Number | None = None
    why: Why = ""
    override: Why = ""


class Repair(Schema):
    """`hosts` by name; none: all that differ from the record."""

    hosts: list[Short] = Field([], max_length=1000)
    why: Why = ""


class Locking(Schema):
    reason: Why = Field(min_length=1)
    level: LockLevel = LockLevel.STOP
    until: Moment | None = Field(None, description="None: until somebody releases it")


class Unlocking(Schema):
    """`lock` is the id; without it, the one that is held."""

    lock: Number | None = None
    why: Why = ""


class First(Schema):
    deploy: Number
    why: Why = Field(min_length=1)


class SeveralLocks(UserError):
    """More than one lock is held: the caller has to say which."""


@router.post(ENVIRONMENT + "/deploys", response={201: DeployShape})
def start_deploy(request: HttpRequest, project: str, environment: str, given: Deploying) -> Answer[DeployShape]:
    """Deploy a release. It waits for whatever keeps deploys away; the answer says what that is."""
    override = given.override.strip()
    place = fetching.environment(caller(request), project, environment, Act.OVERRIDE if override else Act.DEPLOY)
    who = human(request, "override") if override else person(request)
    asked = requests.request(
        place, _release(place, given.release), actor(request), given.why.strip(), override=override, person=who
    )
    return made(asked)


@router.post(ENVIRONMENT + "/rollback", response={201: DeployShape})
def roll_back(request: HttpRequest, project: str, environment: str, given: RollingBack) -> Answer[DeployShape]:
    """Bring an earlier release back, with the configuration it had, and quarantine what is live."""
    override = given.override.strip()
    place = fetching.environment(caller(request), project, environment, Act.OVERRIDE if override else Act.ROLL_BACK)
    if override:
        human(request, "override")
    if "live" in given.model_fields_set:
        rollbacks.check_live(place, given.live)
    to = _release(place, given.to) if given.to else _way_back(place)
    return made(rollbacks.roll_back(place, to, actor(request), given.why.strip(), override=override))


@router.post(ENVIRONMENT + "/repair", response={201: DeployShape})
def repair(request: HttpRequest, project: str, environment: str, given: Repair) -> Answer[DeployShape]:
    """Bring what is live once more to hosts that differ from the record."""
    place = fetching.environment(caller(request), project, environment, Act.DEPLOY)
    names = given.hosts or inspections.drifted(place)
    return made(inspections.repair(place, names, actor(request), given.why.strip()))


@router.post(ENVIRONMENT + "/lock", response=WholeEnvironment)
def lock(request: HttpRequest, project: str, environment: str, given: Locking) -> WholeEnvironment:
    """Keep deploys away, with a reason that everybody reads who is stopped."""
    place = fetching.environment(caller(request), project, environment, Act.LOCK)
    locks.take(place, person(request), actor(request), given.reason, level=given.level, expires_at=given.until)
    return _now(request, project, environment)


@router.post(ENVIRONMENT + "/unlock", response=WholeEnvironment)
def unlock(request: HttpRequest, project: str, environment: str, given: Unlocking) -> WholeEnvironment:
    """Let deploys in again. Of somebody else's lock it takes a reason, and people are told."""
    place = fetching.environment(caller(request), project, environment, Act.LOCK)
    held = [one for one in locks.held(place) if one.environment_id and given.lock in (None, one.pk)]
    if not held and given.lock is None:
        raise LostRace(f"nobody holds a lock of {place.name}")
    if not held:
        raise Http404
    if len(held) > 1:
        raise SeveralLocks(f"{place.name} has {len(held)} locks: say which, by its id")
    locks.release(held[0], actor(request), given.why)
    return _now(request, project, environment)


@router.post(ENVIRONMENT + "/queue/pause", response=WholeEnvironment)
def pause_queue(request: HttpRequest, project: str, environment: str, given: Reasoned) -> WholeEnvironment:
    """Let nothing go there until somebody resumes; what has begun goes on."""
    queue.pause(fetching.environment(caller(request), project, environment, Act.LOCK), actor(request), given.why)
    return _now(request, project, environment)


@router.post(ENVIRONMENT + "/queue/resume", response=WholeEnvironment)
def resume_queue(request: HttpRequest, project: str, environment: str, given: Reasoned) -> WholeEnvironment:
    """Let what waits go on. Of somebody else's pause it takes a reason, and people are told."""
    queue.resume(fetching.environment(caller(request), project, environment, Act.LOCK), actor(request), given.why)
    return _now(request, project, environment)


@router.post(ENVIRONMENT + "/queue/first", response=WholeEnvironment)
def go_first(request: HttpRequest, project: str, environment: str, given: First) -> WholeEnvironment:
    """Put a deploy that waits before all others but rollbacks."""
    place = fetching.environment(caller(request), project, environment, Act.LOCK)
    waiting = place.deploys.filter(number=given.deploy, finished_at=None).first()
    if waiting is None:
        raise Http404
    queue.first(waiting, actor(request), given.why)
    return _now(request, project, environment)


def _release(place: Environment, number: int) -> Release:
    found = place.project.releases.filter(number=number).first()
    if found is None:
        raise Http404
    return found


def _way_back(place: Environment) -> Release:
    found = rollbacks.targets(place, rollbacks.strays(place)).first()
    if found is None:
        raise NotDeployable(f"there is nothing that {place.name} could go back to")
    return found


def _now(request: HttpRequest, project: str, environment: str) -> WholeEnvironment:
    return whole(fetching.environment(caller(request), project, environment), actor(request))
