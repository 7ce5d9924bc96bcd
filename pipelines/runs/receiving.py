"""From what happened to the run that comes of it, exactly once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from pipelines.outbox import queue as outbox
from pipelines.outbox.models import Channel
from pipelines.projects.models import Project
from pipelines.runs.models import Event, EventKind, Outcome, Poll, Run, Tip
from pipelines.states.transitions import begin

MAX_REF = 255  # characters; git allows longer names, no code host does
STARTING = frozenset({EventKind.PUSH, EventKind.TAG, EventKind.PULL_REQUEST, EventKind.MANUAL})


@dataclass(frozen=True, slots=True)
class Incoming:
    """What somebody says has happened. `ref` is full; `sha` is empty where the event names no commit."""

    kind: EventKind
    name: str = ""
    delivery_id: str | None = None
    ref: str = ""
    before: str = ""
    sha: str = ""
    title: str = ""
    author: str = ""
    actor: str = ""
    actor_id: int | None = None
    fork: bool = False
    payload: dict[str, Any] | None = None
    why: str = ""


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


def found_refs(project: Project, refs: Mapping[str, str]) -> list[Event]:
    """Start what no webhook announced: `refs` (full name → commit) is what the code host has now.

    The first look at a project only notes where its refs stand: old commits are not news. What appears later is, even
    where there was nothing at all before.
    """
    has_looked = Poll.objects.filter(project=project).exclude(looked_at=None).exists()
    tips = dict(Tip.objects.filter(project=project).values_list("ref", "sha"))
    moved = {ref: sha for ref, sha in refs.items() if tips.get(ref) != sha and len(ref) <= MAX_REF}
    news = sorted(moved.items()) if has_looked else []
    events = [_found(project, ref, tips.get(ref, ""), sha) for ref, sha in news]
    with transaction.atomic():
        Poll.objects.bulk_create(
            [Poll(project=project, looked_at=timezone.now())],
            update_conflicts=True,
            unique_fields=["project"],
            update_fields=["looked_at"],
        )
        Tip.objects.bulk_create(
            [Tip(project=project, ref=ref, sha=sha) for ref, sha in moved.items()],
            update_conflicts=True,
            unique_fields=["project", "ref"],
            update_fields=["sha"],
        )
        Tip.objects.filter(project=project, ref__in=tips.keys() - refs.keys()).delete()
    return [event for event in events if event is not None]


def _found(project: Project, ref: str, before: str, sha: str) -> Event | None:
    kind = EventKind.TAG if ref.startswith("refs/tags/") else EventKind.PUSH
    why = "found by asking the code host: no webhook had announced it"
    incoming = Incoming(kind=kind, name="poll", ref=ref, before=before, sha=sha, why=why)
    _, known = _key(project, incoming)
    return None if known is not None else receive(project, incoming).event


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
    if incoming.kind not in STARTING:
        return Outcome.STORED, incoming.why or "starts nothing", None
    if incoming.fork:
        return Outcome.STORED, "a fork's pull request is not run: its code is not this project's", None
    key, known = _key(project, incoming) if look_first else (_round(project, incoming, 0), None)
    if known is not None:
        return Outcome.KNOWN, f"this commit of {incoming.ref} is run {known.number}", known
    return Outcome.RUN, incoming.why, _start(project, incoming, key)


def _key(project: Project, incoming: Incoming) -> tuple[str, Run | None]:
    """The key of the run to start, or the run that this commit of this ref already has.

    A ref that was moved away and is now pushed back to an old commit, from one that ran later, runs again: a new round.
    That it was moved away somebody must have told: a later run of another commit proves nothing, for deliveries come
    late and in any order. The rounds are counted in the same look that finds the last one: another process's round in
    between is then a conflict, not one more.
    """
    of_ref = Run.objects.filter(project=project, ref=incoming.ref, rerun_of=None)
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


def _round(project: Project, incoming: Incoming, number: int | str) -> str:
    return f"{project.pk} {incoming.ref} {incoming.sha} {number}"


def _start(project: Project, incoming: Incoming, key: str) -> Run:
    run = Run.objects.create(
        project=project,
        number=next_number(project, "next_run_number"),
        key=key,
        # A pull request from the repository itself is the push of its branch: the same commit must not run twice.
        event_kind=EventKind.PUSH if incoming.kind == EventKind.PULL_REQUEST else incoming.kind,
        ref=incoming.ref,
        sha=incoming.sha,
        title=incoming.title[:300],
        author=incoming.author[:150],
        trusted=not incoming.fork,
    )
    made = begin(run, actor=incoming.actor, reason=incoming.why)
    if project.code_host_name:
        outbox.put(made, Channel.COMMIT_STATUS)
    return run


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
