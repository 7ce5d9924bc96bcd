"""Pure but for the chain of environments: what is wrong with when and by whom an environment takes releases."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.deploys import announcements
from pipelines.deploys.models import Environment


def problems(environment: Environment, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The field and a sentence for each problem with what is given for it."""
    before, project = given.get("after"), given.get("project")
    if given.get("after_seconds") and before is None:
        yield "after", "Name the environment that must have run a release for so long, or put the time to 0."
    if before is not None and project is not None and before.project_id != project.pk:
        yield "after", f"{before.name} is of another project."
    if before is not None and environment.pk and _leads_back(before, environment):
        yield "after", "Each would wait for the other: it comes after this one itself."
    if given.get("approver_team") is not None and not given.get("approvals"):
        yield "approvals", "Say how many of the team must agree."
    if unread := _no_addresses(given.get("mail_to") or ""):
        yield "mail_to", f"No mail address: {', '.join(unread)}."


def _leads_back(before: Environment, environment: Environment) -> bool:
    """Whether what comes before `before`, or it itself, is the environment."""
    seen: set[int] = set()
    step: Environment | None = before
    while step is not None and step.pk not in seen:
        if step.pk == environment.pk:
            return True
        seen.add(step.pk)
        step = step.after
    return False


def _no_addresses(written: str) -> list[str]:
    words = [word.strip() for word in written.replace("\n", ",").replace(";", ",").split(",") if word.strip()]
    return [word for word in words if word not in announcements.addresses(written)]
