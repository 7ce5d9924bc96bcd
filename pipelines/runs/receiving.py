"""From what happened to the run that comes of it, exactly once."""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from pipelines.audit.record import record
from pipelines.errors import LostRace, UserError
from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel
from pipelines.projects.models import Project
from pipelines.runs.models import Event, EventKind, Outcome, Run
from pipelines.runs.planning import skip_word
from pipelines.runs.settling import ask, supersede
from pipelines.states.status import Status
from pipelines.states.transitions import begin

MAX_REF = 255  # characters; git allows longer names, no code host does
STARTING = frozenset({EventKind.PUSH, EventKind.TAG, EventKind.PULL_REQUEST})
ASKED = frozenset({EventKind.MANUAL, EventKind.API, EventKind.SCHEDULE})
PASSED_OVER = "its commit message says"
_ASKED = "asked"  # in the keys of runs that were; no ref is called so
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
UNSEEN = "a fork's pull request: somebody of the project has to look at its commit before it is run"


class BadRef(UserError):
    """No full name of a branch or tag, or no full id of a commit."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What somebody says has happened. `ref` is full; `sha` is empty where the event names no commit.

    A fork's pull request has the ref under which its own repository keeps it: refs/pull/7/head. What is `asked` for
    starts a run each time, whatever ran before; the others start one for a commit of a ref.
    """

    kind: EventKind
    name: str = ""
    delivery_id: str | None = None
    ref: str = ""
    before: str = ""
    sha: str = ""
    title: str = ""
    message: str = ""
    author: str = ""
    target: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    only: Sequence[str] = ()
    asked: bool = False
    actor: str = ""
    actor_id: int | None = None
    fork: bool = False
    payload: dict[str, Any] | None = None
    why: str = ""

    @property
    def is_asked(self) -> bool:
        return self.asked or self.kind in ASKED


@dataclass(frozen=True, slots=True)
class Received:
    """`new` is False when this delivery had been stored before; then nothing was done."""

    event: Event
    new: bool


def receive(project: Project, incoming: Incoming) -> Received:
    """Store the event and the run that comes of it in one transaction.

    Any number of processes may receive the same thing at once: the unique delivery id and the unique run key decide.
    Most of what comes is new, so it is written without asking first; when a constraint says no, we look and write
    again. A pull request or a tag may be known by another name, which no constraint sees: there we look first.
    """
    try:
        return _receive(project, incoming, look_first=incoming.kind in (EventKind.PULL_REQUEST, EventKind.TAG))
    except IntegrityError:
        pass
    try:
        return _receive(project, incoming, look_first=True)
    except IntegrityError:  # another process stored the same between our look and our write: now it is seen
        return _receive(project, incoming, look_first=True)


def start(  # noqa: PLR0913  one word of the sentence each
    project: Project,
    kind: EventKind,
    ref: str,
    parameters: Mapping[str, str],
    actor: str,
    why: str,
    *,
    sha: str = "",
    only: Sequence[str] = (),
    once: str = "",
) -> Event:
    """Start a run because a person (MANUAL), a program (API) or the clock (SCHEDULE) asks for it.

    `ref` is full; without a `sha` its tip is taken when the run is planned, and `parameters` are checked then. What
    asks `once` by the same words again gets the event of the first time. `only` names stages: no others are run, but
    what they need. Raises BadRef for what is no ref or commit.
    """
    if not (ref.startswith(("refs/heads/", "refs/tags/")) and len(ref) <= MAX_REF and ref.isprintable()):
        raise BadRef(f"{ref[:80]!r} is no full name of a branch or tag: refs/heads/main")
    if sha and not _COMMIT.fullmatch(sha):
        raise BadRef(f"{sha[:80]!r} is no full id of a commit: 40 digits and letters a to f")
    incoming = Incoming(
        kind=kind,
        name=kind,
        delivery_id=f"{kind} {once}"[:100] if once else None,
        ref=ref,
        sha=sha,
        parameters=parameters,
        only=only,
        asked=True,
        actor=actor,
        why=why,
    )
    with transaction.atomic():
        received = receive(project, incoming)
        if received.new and kind != EventKind.SCHEDULE:
            record(actor, "started", str(received.event.run), reason=why, ref=ref, parameters=sorted(parameters))
    return received.event


def start_manually(
    project: Project, ref: str, parameters: Mapping[str, str], actor: str, *, sha: str = "", why: str = ""
) -> Run:
    """A person starts a run by hand, with the parameters that the spec asks for; see `start`."""
    run = start(project, EventKind.MANUAL, ref, parameters, actor, why or f"started by {actor}", sha=sha).run
    assert run is not None, "what is asked for always starts a run"
    return run


def start_scheduled(project: Project, name: str, ref: str, parameters: Mapping[str, str], due: str) -> Event:
    """The run of a schedule at one of its times, which `due` names; by several clocks at once it is started once."""
    why = f"by the schedule {name}"
    return start(project, EventKind.SCHEDULE, ref, parameters, "", why, once=f"{due} {name}")


@transaction.atomic
def _receive(project: Project, incoming: Incoming, *, look_first: bool) -> Received:
    if look_first and incoming.delivery_id:
        seen = Event.objects.filter(project=project, delivery_id=incoming.delivery_id).first()
        if seen is not None:
            return Received(seen, new=False)
    outcome, why, run = _outcome(project, incoming, look_first)
    event = Event.objects.create(
        project=project,
        kind=incoming.kind,
        name=incoming.name,
        delivery_id=incoming.delivery_id,
        ref=incoming.ref,
        before=incoming.before,
        sha=incoming.sha,
        title=incoming.title[:300],
        actor=incoming.actor,
        actor_id=incoming.actor_id,
        fork=incoming.fork,
        payload=incoming.payload,
        outcome=outcome,
        why=why[:300],
        run=run,
    )
    return Received(event, new=True)


def _outcome(project: Project, incoming: Incoming, look_first: bool) -> tuple[Outcome, str, Run | None]:
    if incoming.is_asked:
        return Outcome.RUN, incoming.why, _start(project, incoming, f"{project.pk} {_ASKED} {uuid.uuid4().hex}")
    if incoming.kind not in STARTING:
        if incoming.fork and incoming.ref:
            _end_waiting(project, incoming.ref, "its pull request was closed")
        return Outcome.STORED, incoming.why or "starts nothing", None
    if word := skip_word(incoming.kind, incoming.message):
        return Outcome.STORED, f"{PASSED_OVER} {word}", None
    key, known = _key(project, incoming) if look_first else (_round(project, incoming, 0), None)
    if known is not None:
        return Outcome.KNOWN, f"this commit of {incoming.ref} is run {known.number}", known
    return Outcome.RUN, UNSEEN if incoming.fork else incoming.why, _start(project, incoming, key)


def _key(project: Project, incoming: Incoming) -> tuple[str, Run | None]:
    """The key of the run to start, or the run that this commit of this ref already has.

    A ref that was moved away and is now pushed back to an old commit, from one that ran later, runs again: a new round.
    That it was moved away somebody must have told: a later run of another commit proves nothing, for deliveries come
    late and in any order. The rounds are counted in the same look that finds the last one: another process's round in
    between is then a conflict, not one more.
    """
    of_ref = Run.objects.filter(project=project, ref=incoming.ref, rerun_of=None)
    of_ref = of_ref.exclude(key__startswith=f"{project.pk} {_ASKED} ")
    # A run that was announced by an annotated tag's own id bears its commit's since it was planned.
    announced = Q(key__startswith=_round(project, incoming, ""))
    known = list(of_ref.filter(Q(sha=incoming.sha) | announced).order_by("number"))
    if not known:
        return _round(project, incoming, 0), None
    last = known[-1]
    if incoming.before and of_ref.filter(number__gt=last.number, sha=incoming.before).exists() and _was_left(last):
        return _round(project, incoming, len(known)), None
    return "", last


def _was_left(run: Run) -> bool:
    """Whether it was told since that the run's ref was moved away from its commit."""
    told = run.events.order_by("pk").values_list("pk", flat=True).first() or 0
    return Event.objects.filter(project=run.project_id, ref=run.ref, before=run.sha, pk__gt=told).exists()


def is_known(project: Project, incoming: Incoming) -> bool:
    """Whether this commit of this ref has been announced: it has a run, or asked for none."""
    return _key(project, incoming)[1] is not None or _was_passed_over(project, incoming)


def _was_passed_over(project: Project, incoming: Incoming) -> bool:
    """Whether this commit of this ref was announced, and asked not to be run."""
    told = Event.objects.filter(project=project, ref=incoming.ref, sha=incoming.sha, outcome=Outcome.STORED)
    return told.filter(why__startswith=PASSED_OVER).exists()


def _round(project: Project, incoming: Incoming, number: int | str) -> str:
    return f"{project.pk} {incoming.ref} {incoming.sha} {number}"


def _start(project: Project, incoming: Incoming, key: str) -> Run:
    foreign = incoming.fork
    number = next_number(project, "next_run_number")
    run = Run.objects.create(
        project=project,
        number=number,
        since=number,
        key=key,
        # A pull request from the repository itself is the push of its branch: the same commit must not run twice.
        event_kind=EventKind.PUSH if incoming.kind == EventKind.PULL_REQUEST and not foreign else incoming.kind,
        ref=incoming.ref,
        sha=incoming.sha,
        before=incoming.before,
        target=incoming.target,
        title=incoming.title[:300],
        message=incoming.message,
        author=incoming.author[:150],
        asked_by=incoming.actor if incoming.is_asked else "",
        only=list(incoming.only),
        parameters=dict(incoming.parameters),
        trusted=not foreign,
        status=Status.BLOCKED if foreign else Status.QUEUED,
        reason=UNSEEN if foreign else "",
    )
    made = begin(run, actor=incoming.actor, reason=UNSEEN if foreign else incoming.why)
    ask(run, made)
    if project.code_host_name and run.sha:
        outbox.put(made, Channel.COMMIT_STATUS)
    if foreign:
        _end_waiting(project, incoming.ref, f"superseded by run {run.number}", but=run.pk)
    return run


def _end_waiting(project: Project, ref: str, why: str, but: int = 0) -> None:
    """Of a fork's pull request only the newest commit waits for somebody to look at it."""
    waiting = Run.objects.filter(project=project, ref=ref, trusted=False, status__in=[Status.BLOCKED, Status.QUEUED])
    for older in waiting.exclude(pk=but).select_related("project").order_by("pk"):
        with suppress(LostRace):  # it is being planned in this moment
            supersede(older, why)


def next_number(project: Project, counter: str) -> int:
    """Take the next number of a project's runs or releases, in the caller's transaction; none is given twice."""
    table, column, key = map(connection.ops.quote_name, (Project._meta.db_table, counter, "id"))
    with connection.cursor() as cursor:  # one statement where the ORM, which has no RETURNING here, would take two
        cursor.execute(
            f"UPDATE {table} SET {column} = {column} + 1 WHERE {key} = %s RETURNING {column} - 1",  # noqa: S608  our names
            [project.pk],
        )
        number: int = cursor.fetchone()[0]
    return number
