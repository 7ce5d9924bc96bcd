"""Titles that say the state. Pure: from numbers and names to a sentence."""

from collections.abc import Sequence


def dashboard(projects: int, broken: int, running: int, for_people: int = 0) -> str:
    if not projects:
        return "No projects yet"
    waits = f"{'waits' if for_people == 1 else 'wait'} for a person"
    told = ((broken, "broken"), (for_people, waits), (running, "running"))
    parts = [f"{number} {word}" for number, word in told if number]
    return ", ".join(parts) if parts else "Nothing is broken, nothing is running"


def environment(name: str, live: int | None, unhealthy: int, under_way: str) -> str:
    """`under_way` names the deploy that runs now, or is empty."""
    parts = [f"{name} runs release {live}" if live is not None else f"nothing is live in {name} yet"]
    if unhealthy:
        parts.append("one host is unhealthy" if unhealthy == 1 else f"{unhealthy} hosts are unhealthy")
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
