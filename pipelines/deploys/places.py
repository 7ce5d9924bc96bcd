"""The places that releases go to: environments with their hosts, keys, configuration and rules."""

from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator, URLValidator
from django.db import models

from pipelines.projects.models import Masked, Project
from pipelines.projects.secrets import EncryptedTextField

PORT = [MinValueValidator(1), MaxValueValidator(65535)]
HOSTS_OR_SHARE = RegexValidator(
    r"\A(\d{1,4}|\d{1,3}%)\Z", "A number of hosts such as 2, or a share of them such as 10%"
)


class CredentialKind(models.TextChoices):
    KEY = "key", "a private key kept here"
    AGENT = "agent", "the SSH agent of the machines that deploy"


class Credential(models.Model):
    """How Slipway signs in to hosts: an SSH key pair, or the agent that runs beside the deploy workers."""

    name = models.SlugField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=CredentialKind.choices, default=CredentialKind.KEY)
    private_key = EncryptedTextField(blank=True, default="")
    public_key = models.TextField(
        blank=True, help_text="For the hosts' authorized_keys; of an agent: the one of its keys that is to be used"
    )

    def __str__(self) -> str:
        return self.name


class InventoryKind(models.TextChoices):
    STATIC = "static", "a fixed list"
    AWS = "aws", "EC2 by tags"
    GCP = "gcp", "Google Compute Engine by labels"
    AZURE = "azure", "Azure virtual machines by tags"
    ANSIBLE = "ansible", "a file or program in Ansible's JSON form"


class BalancerKind(models.TextChoices):
    NONE = "", "none"
    HAPROXY = "haproxy", "HAProxy's runtime API"
    AWS = "aws", "AWS target groups"
    COMMAND = "command", "commands on each host"


class HostKeyPolicy(models.TextChoices):
    PINNED = "pinned", "only keys that a person has approved"
    FIRST_USE = "first_use", "a host's first key is pinned by itself, a changed one is refused"


class OnBreach(models.TextChoices):
    """What a deploy does when its failure budget, or a watch after it, is breached."""

    ROLL_BACK = "roll_back", "bring the hosts back by itself"
    ASK = "ask", "wait for a person, who finishes forward or brings back"
    STOP = "stop", "end, and leave the hosts as they are"


class Environment(models.Model):
    """A place that releases go to: where (inventory), when (rules), by whom (protection) and how carefully (budget)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="environments")
    name = models.SlugField(max_length=60)
    url = models.CharField(
        max_length=300,
        blank=True,
        validators=[URLValidator(["http", "https"])],
        help_text="Where people reach it; linked from pages and at the code host",
    )
    is_production = models.BooleanField(default=False, help_text="Counts for the delivery figures")

    # When
    ref_pattern = models.CharField(
        max_length=255,
        default="refs/heads/main",
        help_text="Full refs whose releases may come here: refs/heads/main, refs/tags/v*; "
        "* is any text without /, ** any text, ? one character but /",
    )
    automatic = models.BooleanField(default=False, help_text="Deploy every green release that matches, by itself")
    supersedes = models.BooleanField(
        default=True, help_text="A newer automatic deploy cancels those that still wait before it"
    )
    after = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="followed_by",
        help_text="Takes only releases that this environment has run well",
    )
    after_seconds = models.PositiveIntegerField(
        default=0, help_text="For so many seconds a release must have been live and healthy there"
    )
    paused_at = models.DateTimeField(null=True, editable=False)
    paused_by = models.CharField(max_length=150, blank=True, editable=False)
    paused_because = models.CharField(max_length=300, blank=True, editable=False)

    # By whom
    approvals = models.PositiveSmallIntegerField(
        default=0, help_text="People who must agree to a deploy; never its author nor who asked for it"
    )
    approver_team = models.ForeignKey(
        Group,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Only its members approve; empty: everybody who may deploy here",
    )

    # Where
    inventory_kind = models.CharField(max_length=10, choices=InventoryKind.choices, default=InventoryKind.STATIC)
    inventory = models.JSONField(
        default=dict, help_text="For a fixed list: {hosts: [{name, address}]}; for EC2: {region, tags}"
    )
    inventory_secret = EncryptedTextField(
        blank=True, default="", help_text="Cloud credentials, access_key_id:secret_access_key; empty: the machine's own"
    )
    max_drop = models.PositiveSmallIntegerField(
        default=30,
        validators=[MaxValueValidator(100)],
        help_text="Percent of the hosts that may be missing since the last deploy before a person is asked",
    )
    adopts = models.BooleanField(default=True, help_text="Bring hosts that appear later to the live release")
    repairs = models.BooleanField(default=False, help_text="Put hosts right by itself that have drifted")
    inspect_seconds = models.PositiveIntegerField(
        default=300, help_text="How often hosts are compared with the record; 0: never"
    )

    # How it signs in
    ssh_user = models.CharField(max_length=60, default="deploy")
    ssh_port = models.PositiveIntegerField(default=22, validators=PORT)
    credential = models.ForeignKey(Credential, null=True, on_delete=models.PROTECT, related_name="environments")
    host_key_policy = models.CharField(max_length=10, choices=HostKeyPolicy.choices, default=HostKeyPolicy.PINNED)
    bastion_address = models.CharField(max_length=255, blank=True, help_text="All connections go through it, if given")
    bastion_port = models.PositiveIntegerField(default=22, validators=PORT)
    bastion_user = models.CharField(max_length=60, blank=True, help_text="Empty: as on the hosts")
    bastion_credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Empty: the same"
    )

    # How carefully
    balancer_kind = models.CharField(max_length=10, choices=BalancerKind.choices, blank=True, default=BalancerKind.NONE)
    balancer = models.JSONField(default=dict, blank=True)
    balancer_secret = EncryptedTextField(blank=True, default="")
    strategy = models.JSONField(
        null=True, blank=True, help_text="As `strategy` of the pipeline file; empty: what each release proposes"
    )
    at_once = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(1)], help_text="Hosts changed at the same time, at most"
    )
    max_failures = models.CharField(
        max_length=5, default="0", validators=[HOSTS_OR_SHARE], help_text="Hosts, or share of them, that may fail"
    )
    max_unreachable = models.CharField(
        max_length=5,
        default="0",
        validators=[HOSTS_OR_SHARE],
        help_text="Hosts, or share of them, that may be out of reach, and so are left as they are, besides",
    )
    on_breach = models.CharField(max_length=10, choices=OnBreach.choices, default=OnBreach.ROLL_BACK)
    watch_seconds = models.PositiveIntegerField(
        default=0, help_text="For so long after a deploy its alarms are watched; a breach undoes it"
    )
    keep_releases = models.PositiveSmallIntegerField(
        default=5, validators=[MinValueValidator(2)], help_text="Release directories kept on each host"
    )
    mail_to = models.TextField(blank=True, help_text="Addresses that hear of deploys here, separated by commas")

    fence = models.PositiveIntegerField(default=0, editable=False)
    current = models.ForeignKey(
        "deploys.Release", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="live_in"
    )
    live_group = models.CharField(
        max_length=60, blank=True, editable=False, help_text="Of two host groups the one that has the traffic"
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


class EnvironmentSecret(Masked):
    """A secret value of an environment's `.env`. Not versioned: a rollback must not bring rotated credentials back."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="secrets")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="environment_secret_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.environment}"


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
    group = models.CharField(max_length=60, blank=True, help_text="Which of two host groups, for blue/green")
    release = models.ForeignKey("deploys.Release", null=True, on_delete=models.SET_NULL, related_name="hosts")
    healthy = models.BooleanField(null=True, help_text="What the last health check said; None: not known")
    health_detail = models.CharField(max_length=300, blank=True)
    answer_ms = models.PositiveIntegerField(null=True, help_text="How long the last health check took to answer")
    checked_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=dict, help_text="What it last told of itself: system, container, port")
    drift = models.JSONField(default=list, help_text="Where it differs from the record: [{what, detail}]")
    inspected_at = models.DateTimeField(null=True)
    listed_at = models.DateTimeField(help_text="When the inventory last listed it")
    gone_at = models.DateTimeField(null=True, help_text="When the inventory stopped listing it")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="host_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.environment}"
