"""What goes to environments, and what went there."""

from django.db import models

from pipelines.deploys.guards import (
    Alarm,
    AlarmAction,
    AlarmKind,
    DeployApproval,
    Freeze,
    Inspection,
    Lock,
    LockLevel,
)
from pipelines.deploys.machines import DEPLOY, HOST_DEPLOY
from pipelines.deploys.places import (
    BalancerKind,
    Configuration,
    Credential,
    CredentialKind,
    Environment,
    EnvironmentSecret,
    Host,
    HostKey,
    HostKeyPolicy,
    InventoryKind,
    OnBreach,
)
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.runs.models import Artifact, Run
from pipelines.states.models import Leased, Stateful

__all__ = [
    "Alarm",
    "AlarmAction",
    "AlarmKind",
    "BalancerKind",
    "Configuration",
    "Credential",
    "CredentialKind",
    "Deploy",
    "DeployApproval",
    "DeployKind",
    "Environment",
    "EnvironmentSecret",
    "Freeze",
    "Host",
    "HostDeploy",
    "HostKey",
    "HostKeyPolicy",
    "Inspection",
    "InventoryKind",
    "Lock",
    "LockLevel",
    "OnBreach",
    "Phase",
    "Release",
    "Waits",
]


class Release(models.Model):
    """An immutable, numbered, deployable result of one successful push or tag run."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="release")
    ref = models.CharField(max_length=255)
    sha = models.CharField(max_length=64)
    title = models.CharField(max_length=300, blank=True)
    author = models.CharField(max_length=150, blank=True)
    spec_digest = models.CharField(max_length=64)
    deploy_spec = models.JSONField()
    artifact = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="releases")
    image = models.CharField(max_length=400, blank=True, help_text="An image by its digest: name@sha256:…")
    created_at = models.DateTimeField(auto_now_add=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    quarantined_because = models.CharField(max_length=300, blank=True)
    overtaken_by = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The release of a later run of this ref that was cut before: no rule deploys this one by itself",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="release_number_once")]

    def __str__(self) -> str:
        return f"{self.project} release {self.number}"

    @property
    def short_sha(self) -> str:
        return self.sha[:7]

    @property
    def digest(self) -> str:
        """Of the archive or of the image, in hex; empty for one that is commands alone."""
        if self.image:
            return self.image.rpartition(":")[2]
        return self.artifact.digest if self.artifact else ""


class DeployKind(models.TextChoices):
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    REPAIR = "repair"  # the live release once more, for hosts that came later or have drifted


class Waits(models.TextChoices):
    """What a blocked deploy waits for. The last ones are of a deploy that has begun: it holds its environment."""

    PAUSED = "paused", "the queue is paused"
    LOCK = "lock", "a lock to be released"
    FREEZE = "freeze", "a freeze to end"
    BEFORE = "before", "the environment before it"
    MIGRATION = "migration", "a person to see how a migration ended"
    APPROVAL = "approval", "people to agree"
    HOSTS = "hosts", "a person to confirm that hosts are missing"
    PAUSE = "pause", "a person to go on"
    BAKE = "bake", "the hosts so far to stay healthy for a while"
    BREACH = "breach", "a person to finish forward or bring back"
    WATCH = "watch", "its alarms to stay quiet for a while"


class Deploy(Stateful, Leased):
    """One release with one configuration version going to one environment."""

    machine = DEPLOY

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="deploys")
    number = models.PositiveIntegerField(help_text="Counts the project's deploys")
    kind = models.CharField(max_length=10, choices=DeployKind.choices, default=DeployKind.DEPLOY)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="deploys")
    configuration = models.ForeignKey(Configuration, on_delete=models.PROTECT, related_name="deploys")
    replaces = models.ForeignKey(
        Release,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What was live when it began; until then, when it was asked for",
    )
    undoes = models.OneToOneField(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="undone_by",
        help_text="The failed deploy it takes back",
    )
    automatic = models.BooleanField(default=False)
    asked_by = models.CharField(max_length=150, blank=True, help_text="Empty: Slipway itself")
    why = models.CharField(max_length=300, blank=True)
    override = models.CharField(
        max_length=300, blank=True, help_text="Why a person let it pass locks, freezes and what else keeps deploys away"
    )
    only = models.JSONField(null=True, help_text="Names of the hosts that it is for; None: all")
    continues = models.OneToOneField(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="continued_by",
        help_text="The failed deploy that it finishes, on the hosts that are not done",
    )
    flips = models.BooleanField(default=False, help_text="Only turns the traffic back to the other host group")
    group = models.CharField(max_length=60, blank=True, help_text="The host group that it goes to, of blue/green")
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first in the environment's queue")
    # Frozen with its hosts, None until then: a takeover and a changed environment go on as it began.
    at_once = models.PositiveSmallIntegerField(null=True, editable=False)
    max_failures = models.PositiveSmallIntegerField(null=True, editable=False)
    max_unreachable = models.PositiveSmallIntegerField(null=True, editable=False)
    on_breach = models.CharField(max_length=10, choices=OnBreach.choices, blank=True, editable=False)
    strategy = models.JSONField(null=True, editable=False)
    plan = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Hash of release, configuration and hosts"
    )
    accepted_hosts = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Hash of the hosts that a person took for all there are"
    )
    # Where it stands between two claims.
    waits_for = models.CharField(max_length=10, choices=Waits.choices, blank=True, editable=False)
    waits_until = models.DateTimeField(null=True, editable=False, help_text="When it goes on by itself; None: never")
    baked_waves = models.PositiveSmallIntegerField(default=0, editable=False)
    watched_until = models.DateTimeField(null=True, editable=False)
    ailed_at = models.DateTimeField(
        null=True, editable=False, help_text="When a host was last found not to be well with what it had made live"
    )
    pause_requested_at = models.DateTimeField(null=True, editable=False)
    code_host_id = models.BigIntegerField(null=True, editable=False, help_text="Of the code host's own deployment")
    migration_begun_at = models.DateTimeField(
        null=True, editable=False, help_text="When `migrate` began; empty again once its bad end is known"
    )
    migrated_at = models.DateTimeField(null=True, help_text="When `migrate` ended well; it is not run twice")
    cancel_requested_at = models.DateTimeField(null=True)
    goes_back_for = models.CharField(
        max_length=150, blank=True, editable=False, help_text="Who wants what was live back as soon as it has ended"
    )
    goes_back_because = models.CharField(max_length=300, blank=True, editable=False)
    log = models.OneToOneField(Log, on_delete=models.PROTECT, related_name="deploy")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment"],
                name="one_begun_deploy",  # one that bakes or waits for a person in its middle holds the environment
                condition=models.Q(started_at__isnull=False, finished_at=None),
            ),
            models.UniqueConstraint(
                fields=["environment", "release"], name="one_automatic_deploy", condition=models.Q(automatic=True)
            ),
        ]
        indexes = [
            models.Index(fields=["environment", "-id"]),
            models.Index(fields=["status"], name="deploy_unfinished", condition=models.Q(finished_at=None)),
            models.Index(fields=["environment"], name="deploy_unfinished_there", condition=models.Q(finished_at=None)),
            models.Index(fields=["environment", "-fence"], name="deploy_by_fence"),
            models.Index(fields=["environment", "release", "status"], name="deploy_of_release"),
            models.Index(fields=["environment", "status", "-finished_at"], name="deploy_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.release} to {self.environment.name}"


class Phase(models.TextChoices):
    """How far a deploy has come on one host, in order."""

    WAITING = "waiting"
    CHECKING = "checking", "pre-flight"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    DRAINING = "draining"
    SWITCHING = "switching"
    ACTIVATING = "activating"
    HEALTH = "health", "checking health"
    ATTACHING = "attaching"
    DONE = "done"


class HostDeploy(Stateful):
    """A deploy on one host. `switched` says whether the host's `current` link was moved, whatever came after;
    `unreachable`, that it failed because the host could not be reached, and was left as it is."""

    machine = HOST_DEPLOY

    deploy = models.ForeignKey(Deploy, on_delete=models.CASCADE, related_name="hosts")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="deploys")
    wave = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=12, choices=Phase.choices, default=Phase.WAITING)
    switched = models.BooleanField(default=False)
    unreachable = models.BooleanField(default=False)
    facts = models.JSONField(default=dict, help_text="What a takeover and the way back need: container, port")
    log = models.OneToOneField(Log, on_delete=models.PROTECT, related_name="host_deploy")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deploy", "host"], name="host_deploy_once")]
        indexes = [
            models.Index(fields=["host", "finished_at"], name="host_switched", condition=models.Q(switched=True)),
        ]

    def __str__(self) -> str:
        return f"{self.deploy} on {self.host.name}"
