"""What happened to a project, and the runs that came of it."""

from django.db import models
from django.db.models.functions import Now

from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.projects.secrets import EncryptedTextField
from pipelines.runs.agreements import Approval, Group, Identity, Template
from pipelines.runs.machines import ATTEMPT, RUN, STAGE
from pipelines.states.models import Leased, Stateful
from pipelines.states.status import Status

__all__ = [
    "Approval",
    "Artifact",
    "Attempt",
    "Event",
    "EventKind",
    "Group",
    "Identity",
    "Outcome",
    "Poll",
    "Run",
    "Stage",
    "Step",
    "Template",
    "Tip",
]

MAX_GROUP = 300  # characters of a concurrency group's name


class EventKind(models.TextChoices):
    PUSH = "push"
    TAG = "tag"
    PULL_REQUEST = "pull_request", "pull request"
    MANUAL = "manual", "by hand"
    SCHEDULE = "schedule", "by schedule"
    API = "api", "by API"
    DELETION = "deletion", "ref deleted"
    PING = "ping"
    OTHER = "other"


class Outcome(models.TextChoices):
    """What became of an event."""

    RUN = "run", "started a run"
    KNOWN = "known", "already has a run"
    STORED = "stored", "stored only"


def _on_success() -> list[str]:
    return ["succeeded"]


class Grouped(models.Model):
    """Holds a place in a concurrency group of its project; without a `group` it waits for nobody."""

    group = models.CharField(max_length=MAX_GROUP, blank=True)
    group_limit = models.PositiveSmallIntegerField(default=1, help_text="So many of the group at once")
    group_cancel = models.CharField(
        max_length=7, default="none", help_text="Which of those before it a newcomer cancels: none, pending, running"
    )
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)
    cancel_why = models.CharField(max_length=300, blank=True, help_text="cancelled by ana (#3); superseded by run 7")

    class Meta:
        abstract = True


class Run(Stateful, Leased, Grouped):
    """One execution of the spec at a commit for one event; numbered per project. The lease is its planner's.

    A rerun is a run as well, of the same event and commit; `since` says whose place among the commits it takes.
    """

    machine = RUN

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=400, unique=True, help_text="What runs once: project, full ref, commit, round")
    event_kind = models.CharField(max_length=20, choices=EventKind.choices)
    ref = models.CharField(max_length=255, help_text="In full: refs/heads/main")
    sha = models.CharField(max_length=64, blank=True, help_text="Empty until planned, where only a ref was named")
    before = models.CharField(max_length=64, blank=True, help_text="Where the ref stood before, if it is known")
    target = models.CharField(max_length=255, blank=True, help_text="The full ref that a pull request is for")
    title = models.CharField(max_length=300, blank=True, help_text="First line of the commit message")
    message = models.TextField(blank=True, help_text="The whole commit message")
    author = models.CharField(max_length=150, blank=True)
    asked_by = models.CharField(max_length=150, blank=True, help_text="The person who started it; empty for an event")
    parameters = models.JSONField(default=dict, help_text="Name to text, as given; once planned, as checked")
    trusted = models.BooleanField(default=True, help_text="False: a fork's; no secrets, no deploys")
    rerun_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="reruns")
    only = models.JSONField(default=list, help_text="Names of the stages that were asked for; empty: all")
    only_failed = models.BooleanField(default=False, help_text="A rerun that takes over what had succeeded")
    since = models.PositiveIntegerField(default=0, help_text="Its own number; of a rerun, the number of the first run")
    entered_at = models.DateTimeField(null=True, help_text="When it took its place in its group")
    spec_digest = models.CharField(max_length=64, blank=True)
    spec_sources = models.JSONField(default=list, help_text="The files it was planned from: project, ref, sha, path")
    problems = models.JSONField(default=list, help_text="What is wrong with the spec, each with its line")
    deploy_spec = models.JSONField(null=True, help_text="The deploy section of the spec, if the run may be deployed")
    asks = models.JSONField(default=list, help_text="The parameters that its spec declares, for the next by hand")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="run_number_once")]
        indexes = [
            models.Index(fields=["project", "ref", "-number"]),
            models.Index(fields=["project", "ref", "sha"]),
            models.Index(fields=["project", "created_at"], name="run_by_time"),
            models.Index(fields=["status"], name="run_unfinished", condition=models.Q(finished_at=None)),
            models.Index(fields=["status", "finished_at"], name="run_by_end"),
            # Searches look through the newest: these are a tenth of the rows. One index of all would be too wide.
            models.Index(fields=["id", "project", "title", "ref"], name="run_titles"),
            models.Index(fields=["id", "project", "author", "sha"], name="run_authors"),
            models.Index(
                fields=["project", "group"],
                name="run_in_group",
                condition=models.Q(finished_at=None) & ~models.Q(group=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} run {self.number}"

    @property
    def ref_name(self) -> str:
        """The branch or tag without its namespace, for people; decisions take the full ref."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/").removeprefix("refs/")

    @property
    def short_sha(self) -> str:
        return self.sha[:7]


class Event(models.Model):
    """Something that happened to a project, and what became of it.

    A delivery comes once; its content starts a run once, whatever the delivery: see `Run.key`.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=EventKind.choices)
    name = models.CharField(max_length=60, blank=True, help_text="The code host's own word for it")
    delivery_id = models.CharField(max_length=100, null=True)  # noqa: DJ001  None: not delivered, and never unique
    ref = models.CharField(max_length=255, blank=True)
    before = models.CharField(max_length=64, blank=True)
    sha = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    actor_id = models.BigIntegerField(null=True, help_text="The code host's numeric id; names can be changed")
    fork = models.BooleanField(default=False)
    payload = models.JSONField(null=True)
    received_at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    why = models.CharField(max_length=300, blank=True)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="events")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "delivery_id"], name="delivery_once"),
        ]
        indexes = [
            models.Index(fields=["project", "-id"]),
            models.Index(fields=["project", "sha"], name="event_of_commit"),
            models.Index(fields=["project", "-id"], name="event_without_run", condition=~models.Q(outcome="run")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ref} {self.sha[:7]}".strip()


class Tip(models.Model):
    """Where a ref stood when we last asked the code host for its refs."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tips")
    ref = models.CharField(max_length=255)
    sha = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "ref"], name="tip_once")]

    def __str__(self) -> str:
        return f"{self.ref} at {self.sha[:7]}"


class Poll(models.Model):
    """What came of asking a project's code host for its refs. While one asks, `due_at` is the end of the lease."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="poll")
    due_at = models.DateTimeField(db_default=Now(), help_text="Not asked before; on the database's clock")
    fence = models.PositiveIntegerField(default=0, help_text="Rises whenever somebody asks")
    looked_at = models.DateTimeField(null=True, help_text="When its refs were last seen; until then they are history")
    error = models.TextField(blank=True, help_text="Why it could not be asked the last time; empty when it could")

    def __str__(self) -> str:
        return f"refs of {self.project}"


class Stage(Stateful, Grouped):
    """A named part of a run: one container, ordered steps; the unit that is queued and claimed."""

    machine = STAGE

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(max_length=200)
    base = models.CharField(max_length=60, blank=True, help_text="Its name in the file, without a matrix's values")
    position = models.PositiveSmallIntegerField()
    needs = models.JSONField(default=list, help_text="Names of the stages that must have ended first")
    starts_on = models.JSONField(default=_on_success, help_text="How those may have ended: succeeded, failed")
    allow_failure = models.BooleanField(default=False, help_text="Its failure stops nobody and spoils no verdict")
    approvals = models.PositiveSmallIntegerField(default=0, help_text="How many people must agree before it starts")
    labels = models.JSONField(default=list, help_text="What a runner must have to be given it")
    ready_at = models.DateTimeField(null=True, help_text="Not before, by the database's clock: it is tried again then")
    taken_from = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="taken_by", help_text="Which stage did its work"
    )
    spec = models.JSONField(help_text="The stage as planned: image, steps, env, secrets, artifacts, timeout")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="stage_once")]
        indexes = [
            models.Index(fields=["status"], name="stage_unfinished", condition=models.Q(finished_at=None)),
            models.Index(
                fields=["group"], name="stage_in_group", condition=models.Q(finished_at=None) & ~models.Q(group="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} {self.name}"


class Attempt(Stateful, Leased):
    """One execution of a stage. A takeover keeps the attempt, its container and its log, and raises the fence."""

    machine = ATTEMPT

    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    container = models.CharField(max_length=64, blank=True, help_text="Docker's id")
    exit_code = models.IntegerField(null=True)
    secrets = EncryptedTextField(
        default="", help_text="JSON, name to value, as they were when it began; emptied with the verdict"
    )
    log = models.OneToOneField(Log, on_delete=models.PROTECT, related_name="attempt")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stage", "number"], name="attempt_once"),
            models.UniqueConstraint(
                fields=["stage"], name="one_running_attempt", condition=models.Q(status=Status.RUNNING)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage} attempt {self.number}"


class Step(models.Model):
    """Where one command of an attempt stands in its log. It comes from marks in the output, which what runs inside can
    forge: it folds the log and decides nothing."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    begins_at_byte = models.BigIntegerField()
    ends_at_byte = models.BigIntegerField(null=True)
    exit_code = models.IntegerField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "position"], name="step_once")]

    def __str__(self) -> str:
        return f"step {self.position} of {self.attempt}"


class Artifact(models.Model):
    """Files that a stage produced, one archive per path, addressed by its digest."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the stored archive")
    size = models.BigIntegerField(help_text="Bytes of the stored archive")
    storage_name = models.CharField(max_length=200, blank=True, help_text="Empty: an image, or its files are gone")
    expires_at = models.DateTimeField(null=True, help_text="Kept no longer, unless a release ships it; None: for ever")
    expired_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "path"], name="artifact_once")]
        indexes = [
            models.Index(fields=["expires_at"], name="artifact_kept", condition=models.Q(expired_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.path} ({self.digest[:12]})"
