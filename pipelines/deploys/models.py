"""Where releases go, and what went there."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from pipelines.deploys.machines import DEPLOY, HOST_DEPLOY
from pipelines.logs.models import Log
from pipelines.projects.models import VARIABLE, Project, refuse_short
from pipelines.projects.secrets import EncryptedTextField
from pipelines.runs.models import Artifact, Run
from pipelines.states.models import Leased, Stateful
from pipelines.states.status import Status


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
        return self.artifact.digest if self.artifact else ""


class Credential(models.Model):
    """An SSH key pair that Slipway signs in to hosts with."""

    name = models.SlugField(max_length=60, unique=True)
    private_key = EncryptedTextField()
    public_key = models.TextField(blank=True, help_text="For the hosts' authorized_keys")

    def __str__(self) -> str:
        return self.name


class InventoryKind(models.TextChoices):
    STATIC = "static", "a fixed list"
    AWS = "aws", "EC2 by tags"


class HostKeyPolicy(models.TextChoices):
    PINNED = "pinned", "only keys that a person has approved"
    FIRST_USE = "first_use", "a host's first key is pinned by itself, a changed one is refused"


class Environment(models.Model):
    """A place that releases go to: where (inventory), when (rule) and how carefully (budget)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="environments")
    name = models.SlugField(max_length=60)
    ref_pattern = models.CharField(
        max_length=255,
        default="refs/heads/main",
        help_text="Full refs whose releases may come here: refs/heads/main, refs/tags/v*; "
        "* is any text without /, ** any text, ? one character but /",
    )
    automatic = models.BooleanField(default=False, help_text="Deploy every green release that matches, by itself")
    inventory_kind = models.CharField(max_length=10, choices=InventoryKind.choices, default=InventoryKind.STATIC)
    inventory = models.JSONField(
        default=dict, help_text="For a fixed list: {hosts: [{name, address}]}; for EC2: {region, tags}"
    )
    inventory_secret = EncryptedTextField(
        blank=True, default="", help_text="Cloud credentials, access_key_id:secret_access_key; empty: the machine's own"
    )
    ssh_user = models.CharField(max_length=60, default="deploy")
    ssh_port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    credential = models.ForeignKey(Credential, null=True, on_delete=models.PROTECT, related_name="environments")
    host_key_policy = models.CharField(max_length=10, choices=HostKeyPolicy.choices, default=HostKeyPolicy.PINNED)
    at_once = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1)], help_text="Hosts changed at the same time, at most"
    )
    max_failures = models.PositiveSmallIntegerField(default=0, help_text="Failed hosts that a deploy may have")
    max_unreachable = models.PositiveSmallIntegerField(
        default=0, help_text="Hosts that cannot be reached, and so are left as they are, that a deploy may have besides"
    )
    rolls_back = models.BooleanField(default=True, help_text="Bring the hosts back by itself when a deploy fails")
    keep_releases = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(2)], help_text="Release directories kept on each host"
    )
    fence = models.PositiveIntegerField(default=0, editable=False)
    current = models.ForeignKey(
        Release, null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="live_in"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="environment_once")]

    def __str__(self) -> str:
        return f"{self.project} {self.name}"


class Configuration(models.Model):
    """An environment's plain values, versioned: every change is a new row, and a deploy names the one it used."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="configurations")
    version = models.PositiveIntegerField()
    values = models.JSONField(default=dict)
    made_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "version"], name="configuration_once")]

    def __str__(self) -> str:
        return f"{self.environment} configuration {self.version}"


class EnvironmentSecret(models.Model):
    """A secret value of an environment's `.env`. Not versioned: a rollback must not bring rotated credentials back."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=100, validators=[VARIABLE])
    value = EncryptedTextField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="environment_secret_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.environment}"

    def clean(self) -> None:
        refuse_short(self.value)


class HostKey(models.Model):
    """A host's public key that connections are checked against."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="host_keys")
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField()
    key_type = models.CharField(max_length=60)
    public_key = models.TextField(help_text="Base64, as in known_hosts")
    fingerprint = models.CharField(max_length=80)
    pinned_by = models.CharField(max_length=150)
    pinned_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "address", "port", "key_type"], name="host_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.address}:{self.port} {self.fingerprint}"


class Host(models.Model):
    """One machine of an environment, as its inventory last listed it and as the last deploy left it."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="hosts")
    name = models.CharField(max_length=150)
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField(null=True, help_text="None: the environment's")
    external_id = models.CharField(max_length=100, blank=True, help_text="The cloud's own name for it")
    release = models.ForeignKey(Release, null=True, on_delete=models.SET_NULL, related_name="hosts")
    healthy = models.BooleanField(null=True, help_text="What the last health check said; None: not known")
    health_detail = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True)
    listed_at = models.DateTimeField(help_text="When the inventory last listed it")
    gone_at = models.DateTimeField(null=True, help_text="When the inventory stopped listing it")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="host_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.environment}"


class DeployKind(models.TextChoices):
    DEPLOY = "deploy"
    ROLLBACK = "rollback"


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
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first in the environment's queue")
    # Frozen with its hosts, None until then: a takeover and a changed environment go on as it began.
    at_once = models.PositiveSmallIntegerField(null=True, editable=False)
    max_failures = models.PositiveSmallIntegerField(null=True, editable=False)
    max_unreachable = models.PositiveSmallIntegerField(null=True, editable=False)
    rolls_back = models.BooleanField(null=True, editable=False)
    migrated_at = models.DateTimeField(null=True, help_text="When `migrate` ended well; it is not run twice")
    cancel_requested_at = models.DateTimeField(null=True)
    log = models.OneToOneField(Log, on_delete=models.PROTECT, related_name="deploy")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], name="one_running_deploy", condition=models.Q(status=Status.RUNNING)
            ),
            models.UniqueConstraint(
                fields=["environment", "release"], name="one_automatic_deploy", condition=models.Q(automatic=True)
            ),
        ]
        indexes = [
            models.Index(fields=["environment", "-id"]),
            models.Index(fields=["status"], name="deploy_unfinished", condition=models.Q(finished_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.release} to {self.environment.name}"


class Phase(models.TextChoices):
    """How far a deploy has come on one host, in order."""

    WAITING = "waiting"
    CHECKING = "checking", "pre-flight"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    SWITCHING = "switching"
    ACTIVATING = "activating"
    HEALTH = "health", "checking health"
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
    log = models.OneToOneField(Log, on_delete=models.PROTECT, related_name="host_deploy")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deploy", "host"], name="host_deploy_once")]

    def __str__(self) -> str:
        return f"{self.deploy} on {self.host.name}"
