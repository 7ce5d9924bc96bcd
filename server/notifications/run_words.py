"""Pure: what is said of runs."""

from dataclasses import dataclass

from server.notifications.words import Button, Cause, Detail, Words

MAX_SUSPECTS = 10  # named one by one


@dataclass(frozen=True, slots=True)
class Suspect:
    """A commit that may have broken the ref."""

    sha: str
    title: str
    author: str


@dataclass(frozen=True, slots=True)
class ToldRun:
    """A run that ended, or waits for people; `tail` is the end of the first cause's log, masked as it was stored.

    `is_change`: its ref was fine before and is not any more, or the other way round. `green` is the number of the last
    run that had succeeded there.
    """

    project: str
    number: int
    status: str
    ref: str
    ref_name: str
    sha: str
    title: str
    author: str
    reason: str
    url: str
    is_change: bool = False
    causes: tuple[Cause, ...] = ()
    tail: str = ""
    suspects: tuple[Suspect, ...] = ()
    green: int | None = None
    waits: tuple[Cause, ...] = ()

    @property
    def short_sha(self) -> str:
        return self.sha[:7]


def ended_run(run: ToldRun) -> Words:
    if run.status == "succeeded":
        headline = f"{run.project}: run {run.number} succeeded on {run.ref_name}"
        if run.is_change:
            headline = f"{run.project}: {run.ref_name} is mended by run {run.number}"
        return Words(headline, "", (), (_commit(run),), run.url, f"Run {run.number}")
    first = run.causes[0] if run.causes else None
    return Words(
        f"{run.project}: run {run.number} {run.status} on {run.ref_name}",
        f"{first.name}: {first.reason}" if first and first.reason else run.reason,
        tuple(Cause(one.name, one.reason or run.status) for one in run.causes) or _given(run.reason),
        (_commit(run), *_before(run)),
        run.url,
        f"Run {run.number}",
        (Button(f"Open run {run.number}", run.url),),
        _details(run),
    )


def asking_run(run: ToldRun) -> Words:
    """It goes on, or a stage of it, when people have agreed."""
    first = run.waits[0] if run.waits else Cause("its commit", run.reason)
    headline = f"{run.project}: run {run.number} on {run.ref_name} waits for approval of {first.name}"
    button = Button("Approve or refuse", f"{run.url}#approval")
    return Words(headline, first.reason, run.waits, (_commit(run),), run.url, f"Run {run.number}", (button,))


def _commit(run: ToldRun) -> str:
    return f"{run.short_sha} {run.title}, by {run.author or 'nobody named'}"


def _before(run: ToldRun) -> tuple[str, ...]:
    if run.is_change and run.green:
        return (f"{run.ref_name} was fine with run {run.green}",)
    return ()


def _details(run: ToldRun) -> tuple[Detail, ...]:
    tail = Detail(f"The last lines of {run.causes[0].name}", (), run.tail) if run.tail.strip() and run.causes else None
    return tuple(one for one in (tail, _suspected(run)) if one)


def _suspected(run: ToldRun) -> Detail | None:
    if not run.suspects:
        return None
    lines = [f"{one.sha[:7]} {one.title}, by {one.author or 'nobody named'}" for one in run.suspects]
    more = [f"and {len(lines) - MAX_SUSPECTS} more"] if len(lines) > MAX_SUSPECTS else []
    since = f"Commits since run {run.green}, the last that succeeded" if run.green else "The commit"
    return Detail(since, (*lines[:MAX_SUSPECTS], *more))


def _given(reason: str) -> tuple[str, ...]:
    return (reason,) if reason else ()
