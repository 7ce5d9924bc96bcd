"""A question about the outside world, and its answer."""

from django.db import models

from pipelines.states.machine import machine
from pipelines.states.models import Leased, Stateful
from pipelines.states.status import Status

PROBE = machine(
    "probe",
    {
        Status.QUEUED: {Status.RUNNING, Status.ERRORED, Status.CANCELLED},
        Status.RUNNING: {Status.SUCCEEDED, Status.FAILED, Status.ERRORED},
    },
)


class Kind(models.TextChoices):
    INVENTORY = "inventory", "list the hosts of an environment"
    HOST_KEYS = "host_keys", "read the keys that the hosts of an environment show"
    CONNECTION = "connection", "sign in to the hosts of an environment"
    AUDIT = "audit", "verify the chain of the audit"
    CLONE_URL = "clone_url", "reach a repository that may become a project"
    REPOSITORY = "repository", "read a project's repository"
    CODE_HOST = "code_host", "read the keys that a project's code host shows"


# Those whose subject is a project; an environment is that of the others, but for those of the whole server.
OF_PROJECTS = frozenset({Kind.REPOSITORY, Kind.CODE_HOST})
OF_SERVER = frozenset({Kind.AUDIT, Kind.CLONE_URL})


class Probe(Stateful, Leased):
    """Asked by a page, answered by a control worker; the page watches the row."""

    machine = PROBE

    kind = models.CharField(max_length=20, choices=Kind.choices)
    subject_id = models.BigIntegerField(help_text="The environment or project that is asked about; 0: none")
    question = models.JSONField(default=dict, help_text="What is asked beside that; never a secret")
    asked_by = models.CharField(max_length=150)
    answer = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject_id}: {self.status}"
