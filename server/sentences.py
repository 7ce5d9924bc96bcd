"""Titles that say the state. Pure: from numbers and names to a sentence."""

from collections.abc import Sequence

from pipelines.spec.installation import StrategyKind, StrategySpec
from server.durations import DAY, HOUR, MINUTE


def dashboard(projects: int, broken: int, running: int, for_people: int = 0) -> str:
    if not projects:
        return "No projects yet"
    waits = f"{'waits' if for_people == 1 else 'wait'} for a person"
    told = ((broken, "broken"), (for_people, waits), (running, "running"))
    parts = [f"{number} {word}" for number, word in told if number]
    return ", ".join(parts) if parts else "Nothing is broken, nothing is running"


def environment(name: str, live: int | None, unhealthy: int, under_way: str, drifted: int = 0) -> str:
    """`under_way` names the deploy that runs now, or is empty."""
    parts = [f"{name} runs release {live}" if live is not None else f"Nothing is live in {name} yet"]
    if unhealthy:
        parts.append("one host is unhealthy" if unhealthy == 1 else f"{unhealthy} hosts are unhealthy")
    if drifted:
        parts.append("one host has drifted" if drifted == 1 else f"{drifted} hosts have drifted")
    if under_way:
        parts.append(f"{under_way} is under way")
    return ", ".join(parts)


def hosts(statuses: Sequence[str]) -> str:
    """How far the hosts of a deploy have come."""
    if not statuses:
        return "no host planned yet"
    done, running = statuses.count("succeeded"), statuses.count("running")
    bad = statuses.count("failed") + statuses.count("errored")
    parts = [f"{done} of {len(statuses)} hosts done"]
    parts += [f"{running} under way"] if running else []
    parts += [f"{bad} failed"] if bad else []
    return ", ".join(parts)


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def strategy(spec: StrategySpec) -> str:
    """In which manner hosts are brought over: waves 1, 25 %, rest, then watched for 30 s each."""
    if spec.kind == StrategyKind.BLUE_GREEN:
        return "blue/green: the other group first, then the traffic in one go"
    if spec.kind == StrategyKind.REPLACE:
        return "old instances out, new ones in" if spec.remove_first else "new instances in, old ones out"
    if tuple(spec.waves) in ((), ("rest",), ("100%",)):
        return "all at once"
    told = "waves " + ", ".join(str(wave).replace("%", " %") for wave in spec.waves)
    told += f", each healthy for {about(spec.bake_seconds)}" if spec.bake_seconds else ""
    return told + (", compared with the others" if spec.compare else "")


def about(seconds: float) -> str:
    """A duration in its largest unit: 40 s, 2 min, 3 h, 4 days."""
    if seconds < 2 * MINUTE:
        return f"{int(seconds)} s"
    if seconds < 2 * HOUR:
        return f"{round(seconds / MINUTE)} min"
    return f"{round(seconds / HOUR)} h" if seconds < 2 * DAY else f"{round(seconds / DAY)} days"


def often(number: int, days: int) -> str:
    """So many in so many days, as people say it: 3 times a day, twice a week, 4 times in 30 days."""
    if number >= days:
        return f"{_times(round(number / days))} a day"
    if number * 7 >= days:
        return f"{_times(round(number * 7 / days))} a week"
    return f"{_times(number)} in {days} days"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
