"""Whether a run has left exactly what it would have left had nobody been killed."""

import re
from collections.abc import Iterator, Mapping, Sequence

from tests.faults.points import Work
from tests.faults.questions import AttemptSeen, DeploySeen, RunSeen
from tests.faults.town import Town
from tests.faults.work import Task, migration_output

_SUPERSEDED = re.compile(r"superseded by release (\d+)")


def complaints(town: Town, task: Task, runs: Sequence[RunSeen]) -> list[str]:
    """What is wrong with the runs of a task: nothing, if all is well."""
    if len(runs) != 1:
        return [f"{len(runs)} runs instead of one"]
    return [*_of_run(task, runs[0]), *_of_containers(town, task, runs[0]), *_of_deploys(town, task, runs[0])]


def _of_run(task: Task, run: RunSeen) -> Iterator[str]:
    if run.status != task.verdict:
        yield f"run {run.status} ({run.reason}) instead of {task.verdict}"
    if len(run.attempts) != 1:
        yield f"{len(run.attempts)} attempts instead of one"
    for attempt in run.attempts:
        yield from _of_attempt(task, attempt)


def _of_attempt(task: Task, attempt: AttemptSeen) -> Iterator[str]:
    wanted_log = task.log
    if task.work is Work.STOPPED:  # how far it came is not ours to say
        wanted_log = wanted_log[: len(_without_last_words(attempt.log))]
    if (log := _without_last_words(attempt.log)) != wanted_log:
        yield f"its log differs: {_difference(log, wanted_log)}"
    wanted = ("dist", "kept") if task.verdict == "succeeded" else ()
    if attempt.artifacts != wanted:
        yield f"artifacts {attempt.artifacts} instead of {wanted}"
    if attempt.exit_code != task.exit_code:
        yield f"exit code {attempt.exit_code}"


def _of_containers(town: Town, task: Task, run: RunSeen) -> Iterator[str]:
    if (hits := town.hits[task.call]) != 1:
        yield f"its side effect came {hits} times"
    for attempt in run.attempts:
        # One that was made and started, and not let go, is made anew; what was let go is the last.
        made, started = (times[attempt.stage, attempt.number] for times in (town.events.made, town.events.started))
        if made[-1:] != [attempt.container] or started[-1:] != [attempt.container] or len(set(started)) != len(started):
            yield f"containers {made} made and {started} started, {attempt.container} noted"


def _of_deploys(town: Town, task: Task, run: RunSeen) -> Iterator[str]:
    if not task.is_shipped:
        return
    deploys = [deploy for deploy in run.deploys if deploy.kind == "deploy"]
    wanted = 0 if run.overtaken_by else 1
    if len(deploys) != wanted:
        yield f"{len(deploys)} deploys instead of {wanted}"
    rollbacks = [deploy for deploy in run.deploys if deploy.kind == "rollback"]
    yield from (f"rollback {back.status} ({back.reason})" for back in rollbacks if back.status != "succeeded")
    again = sum(len(back.hosts) for back in rollbacks)
    for deploy in deploys:
        if superseded := _SUPERSEDED.fullmatch(deploy.reason):
            yield from _never_begun(town, task, deploy, by=int(superseded[1]))
            continue
        if deploy.status != task.deploy_verdict:
            yield f"deploy {deploy.status} ({deploy.reason}) instead of {task.deploy_verdict}"
        yield from _on_hosts(town, task, deploy, again)


def _never_begun(town: Town, task: Task, deploy: DeploySeen, *, by: int) -> Iterator[str]:
    """A deploy that still waited when a newer release had come; `by`: its number."""
    if deploy.status != "cancelled" or by <= deploy.release:
        yield f"release {deploy.release}: deploy {deploy.status} ({deploy.reason})"
    if any(str(deploy.release) in _lines(town, task, name) for name in ("migrations", "activations")):
        yield f"deploy {deploy.status} ({deploy.reason}), but it touched a host"


def _on_hosts(town: Town, task: Task, deploy: DeploySeen, again: int) -> Iterator[str]:
    """`again`: how many hosts later rollbacks brought back to this release."""
    switched = len(town.hosts) if task.deploy_verdict == "succeeded" else 1
    for name, verb, times in (("migrations", "migrated", 1), ("activations", "activated", switched + again)):
        if (done := _lines(town, task, name).count(str(deploy.release))) != times:
            yield f"{verb} {done} times instead of {times}"
    heard = b"".join(log for _, log in deploy.hosts.values())
    if _spoken(heard) != migration_output():
        yield f"its migration's output differs: {_difference(_spoken(heard), migration_output())}"
    if (count := len(re.findall(rb"^activating$", heard, re.M))) != switched:
        yield f"{count} outputs of an activation instead of {switched}"


def _spoken(log: bytes) -> bytes:
    """The lines that the migration printed, of a host's log."""
    return b"".join(re.findall(rb"^migrating .*\n", log, re.M))


def _lines(town: Town, task: Task, name: str) -> list[str]:
    files = [host.root / task.slug / name for host in town.hosts]
    return [line for file in files if file.exists() for line in file.read_text().splitlines()]


def standing(town: Town, live: Mapping[str, int]) -> list[str]:
    """What is wrong with the hosts: each must be on the release that its environment says."""
    wrong = []
    for slug, number in live.items():
        for host in town.hosts:
            current = host.root / slug / "current"
            if not current.is_symlink() or current.readlink().name != str(number):
                wrong.append(f"{host.address.host} of {slug} is not on release {number}")
            if left := [entry.name for entry in (host.root / slug / "releases").glob(".*")]:
                wrong.append(f"{host.address.host} of {slug} has {', '.join(left)} left")
    return wrong


def _without_last_words(log: bytes) -> bytes:
    """A shell says of what it was running when both were told to end that it was terminated."""
    return log.removesuffix(b"Terminated\n")


def _difference(found: bytes, wanted: bytes) -> str:
    """Where two texts part, with a little of both."""
    at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted)))
    around = slice(max(at - 20, 0), at + 40)
    return f"at byte {at} of {len(found)}/{len(wanted)}: {found[around]!r} instead of {wanted[around]!r}"
