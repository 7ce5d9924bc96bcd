"""Whom a project tells, and what programs show who call it."""

from pipelines.notifications import lifecycle
from pipelines.notifications.lifecycle import Wish
from pipelines.notifications.models import Kind, Topic
from pipelines.projects.models import Project

BY = "alice (#1)"


def build(project: Project) -> None:
    """A mail address and a webhook with their rules."""
    team = lifecycle.add_recipient(project, Kind.MAIL, "shop-team@example.org", "the team", BY)
    wish = Wish(list(Topic.values)[:2], refs="main", digest_at="08:30", time_zone="Europe/Berlin")
    lifecycle.add_rule(team, wish, BY)
    hook = lifecycle.add_recipient(project, Kind.WEBHOOK, "https://hooks.example.org/slipway", "", BY)
    lifecycle.add_rule(hook, Wish(list(Topic.values)[:1], only_changes=False), BY)
