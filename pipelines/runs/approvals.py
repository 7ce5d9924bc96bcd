"""People's words on what waits for them: a stage that asks for approval, a run of foreign code."""

from collections.abc import Iterable, Mapping
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from pipelines.audit.record import record
from pipelines.errors import LostRace, UserError
from pipelines.runs.models import Approval, Run, Stage
from pipelines.runs.settling import hold, move_run, settle
from pipelines.runs.starters import has_started
from pipelines.spec.model import ApprovalSpec
from pipelines.spec.parameters import check
from pipelines.states.signals import progressed
from pipelines.states.status import Status
from pipelines.states.transitions import transition as move


class NotYours(UserError):
    """This person's word does not count here; somebody else has to give theirs."""


def approve(stage: Stage, person: User, actor: str, answers: Mapping[str, str] | None = None) -> bool:
    """A person agrees that the stage starts; True when enough have. Again by the same person replaces their answers.

    `actor` is the person as ledgers name them. Whether they may do such things in the project is asked before; here is
    asked whether they are of a team that the stage names and have not started the run. Raises NotYours, SpecError for
    answers that are not what the stage asks for, and LostRace when it no longer waits.
    """
    wish = approval_of(stage)
    _refuse(stage, person, wish)
    given = check(wish.ask, dict(answers or {}))
    with transaction.atomic():
        fresh = _waiting(stage)
        _say(fresh, person, actor, refused=False, answers=given)
        record(actor, "approved", f"{fresh}", commit=fresh.run.sha, answers=sorted(given))
        agreed = list(_agreed(fresh).values_list("actor", flat=True))
        if len(agreed) >= wish.count:
            move(fresh, Status.QUEUED, actor=actor, reason=f"approved by {', '.join(agreed)}")
        else:
            transaction.on_commit(partial(progressed.send_robust, Stage, subject=fresh))
    settle(fresh.run_id)
    return len(agreed) >= wish.count


def refuse(stage: Stage, person: User, actor: str, reason: str = "") -> None:
    """A person says no: the stage is cancelled, and what needs it never starts. Raises as `approve`."""
    wish = approval_of(stage)
    _refuse(stage, person, wish)
    with transaction.atomic():
        fresh = _waiting(stage)
        _say(fresh, person, actor, refused=True, answers={})
        record(actor, "refused", f"{fresh}", reason=reason, commit=fresh.run.sha)
        said = f"refused by {actor}" + (f": {reason}" if reason else "")
        move(fresh, Status.CANCELLED, actor=actor, reason=said)
    settle(fresh.run_id)


def approve_run(run: Run, actor: str, sha: str, person: User | None = None) -> None:
    """Somebody has looked at a foreign commit: exactly `sha` of this run may be run. Raises LostRace when the run no
    longer waits, UserError when it is of another commit than the one that was looked at."""
    with transaction.atomic():
        fresh = Run.objects.select_related("project").get(pk=run.pk)
        if fresh.status != Status.BLOCKED:
            raise LostRace(f"{fresh} no longer waits for approval: it is {fresh.status}")
        if fresh.sha != sha:
            raise UserError(f"{fresh} is of commit {fresh.short_sha}, not of {sha[:7]}: look at that one")
        Approval.objects.create(run=fresh, person=person, actor=actor, sha=sha)
        record(actor, "approved", str(fresh), commit=sha)
        move_run(fresh, Status.QUEUED, actor=actor, reason=f"commit {fresh.short_sha} approved by {actor}")


def approval_of(stage: Stage) -> ApprovalSpec:
    """What the stage asks of people; raises UserError for one that asks nothing."""
    stored = stage.spec.get("approval")
    if not stored:
        raise UserError(f"{stage} asks for no approval")
    return ApprovalSpec.from_json(stored)


def why_not(stage: Stage, person: User) -> str:
    """Why this person's word on the stage would not count; empty when it would."""
    wish = approval_of(stage)
    if wish.teams and not person.groups.filter(name__in=wish.teams).exists():
        return f"it asks for somebody of {_either(wish.teams)}"
    if has_started(stage.run, person):
        return "who started a run does not approve in it"
    return ""


def words(stages: Iterable[Stage]) -> dict[int, list[Approval]]:
    """Stage id → what people have said on it so far, the earliest first."""
    found: dict[int, list[Approval]] = {}
    for word in Approval.objects.filter(stage__in=[stage.pk for stage in stages]).order_by("pk"):
        found.setdefault(word.stage_id or 0, []).append(word)
    return found


def answers_of(stage: Stage) -> dict[str, str]:
    """Name → what people have filled in; of each name the last answer."""
    given: dict[str, str] = {}
    for word in _agreed(stage):
        given |= word.answers
    return given


def _refuse(stage: Stage, person: User, wish: ApprovalSpec) -> None:
    if why := why_not(stage, person):
        raise NotYours(f"{stage}: {why}")


def _waiting(stage: Stage) -> Stage:
    """As it stands now, in a transaction in which nobody else moves it or gives their word."""
    hold(stage.run_id)
    fresh = Stage.objects.select_related("run__project").get(pk=stage.pk)
    if fresh.status != Status.BLOCKED:
        raise LostRace(f"{fresh} no longer waits for approval: it is {fresh.status}")
    return fresh


def _say(stage: Stage, person: User, actor: str, *, refused: bool, answers: Mapping[str, str]) -> None:
    """A word given again is a new one: the last answer counts, and the order of the rows is the order of the words."""
    Approval.objects.filter(stage=stage, person=person).delete()
    Approval.objects.create(
        run=stage.run, stage=stage, person=person, actor=actor, sha=stage.run.sha, refused=refused, answers=answers
    )


def _agreed(stage: Stage) -> QuerySet[Approval]:
    return Approval.objects.filter(stage=stage, refused=False).order_by("pk")


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
