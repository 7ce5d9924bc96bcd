"""Ask for deploys and rollbacks: what is allowed, and the row that says so."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import rules
from pipelines.deploys.models import Configuration, Deploy, DeployKind, Environment, Release
from pipelines.deploys.strategies import Caution, number, stricter
from pipelines.errors import LostRace, UserError
from pipelines.logs import store as logs
from pipelines.runs.receiving import next_number
from pipelines.spec.model import DeploySpec, StrategySpec
from pipelines.states.status import FINAL, Status
from pipelines.states.transitions import begin
from pipelines.states.transitions import transition as move

ROLLBACK_PRIORITY = 10


class NotDeployable(UserError):
    """This release may not go to this environment."""


def request(environment: Environment, release: Release, actor: str, why: str = "") -> Deploy:
    """A person asks for a deploy. Raises NotDeployable with the reason when the environment does not take it."""
    if release.project_id != environment.project_id:
        raise NotDeployable(f"{release} is not of {environment.project}")
    if not rules.takes(environment.ref_pattern, release.ref):
        raise NotDeployable(
            f"{environment.name} takes {environment.ref_pattern}; release {release.number} is of {release.ref}"
        )
    with transaction.atomic():
        _refuse_quarantined(release)
        deploy = insert(environment, release, actor=actor, why=why)
        record(actor, "asked to deploy", str(release), reason=why, environment=environment.name)
    return deploy


def insert(
    environment: Environment,
    release: Release,
    *,
    kind: DeployKind = DeployKind.DEPLOY,
    actor: str = "",
    why: str = "",
    automatic: bool = False,
    undoes: Deploy | None = None,
) -> Deploy:
    """The row of a deploy, queued, in the caller's transaction; a rollback goes to the head of the queue."""
    rollback = kind == DeployKind.ROLLBACK
    deploy = Deploy.objects.create(
        environment=environment,
        number=next_number(environment.project, "next_deploy_number"),
        kind=kind,
        release=release,
        configuration=configuration_of(environment, release) if rollback else latest_configuration(environment),
        replaces=Release.objects.filter(live_in=environment).first(),
        undoes=undoes,
        automatic=automatic,
        asked_by=actor,
        why=why[:300],
        priority=ROLLBACK_PRIORITY if rollback else 0,
        log=logs.open_log(),
    )
    begin(deploy, actor=actor, reason=why)
    return deploy


def caution(deploy: Deploy, hosts: int | None = None) -> Caution:
    """As frozen when it began; until then, as its release and its environment say now of so many hosts."""
    if deploy.at_once is not None and deploy.max_failures is not None and deploy.max_unreachable is not None:
        return Caution(deploy.at_once, deploy.max_failures, deploy.max_unreachable, deploy.on_breach)
    place = deploy.environment
    hosts = place.hosts.filter(gone_at=None).count() if hosts is None else hosts
    asked = Caution(
        place.at_once, number(place.max_failures, hosts), number(place.max_unreachable, hosts), place.on_breach
    )
    return stricter(asked, strategy(deploy), hosts)


def strategy(deploy: Deploy) -> StrategySpec:
    """As frozen when it began; until then the environment's own, or else what its release proposes."""
    own = deploy.strategy or deploy.environment.strategy
    return StrategySpec.from_json(own) if own else DeploySpec.from_json(deploy.release.deploy_spec).strategy


def cancel(deploy: Deploy, actor: str, reason: str = "") -> None:
    """Stop a deploy: at once when it has not begun, else as soon as its runner sees it. Twice is harmless."""
    while True:
        try:
            with transaction.atomic():
                return _cancel(Deploy.objects.select_related("log").get(pk=deploy.pk), actor, reason)
        except LostRace:
            continue  # a worker began it in this moment: look again


def latest_configuration(environment: Environment) -> Configuration:
    """The newest version; an environment that has none gets an empty version 1."""
    newest = environment.configurations.order_by("version").last()
    if newest is None:
        newest, _ = environment.configurations.get_or_create(version=1, defaults={"made_by": "Slipway"})
    return newest


def change_configuration(environment: Environment, values: dict[str, str], actor: str) -> Configuration:
    """A new version with these plain values; it reaches the hosts with the next deploy."""
    while True:
        version = latest_configuration(environment).version + 1
        try:
            with transaction.atomic():
                made = Configuration.objects.create(
                    environment=environment, version=version, values=values, made_by=actor
                )
                record(actor, "changed the configuration", str(environment), version=version)
                return made
        except IntegrityError:  # somebody else has made this version; take the next
            continue


def configuration_of(environment: Environment, release: Release) -> Configuration:
    """The configuration that `release` last ran well with here."""
    deploys = environment.deploys.filter(release=release, status=Status.SUCCEEDED)
    last = deploys.select_related("configuration").order_by("finished_at").last()
    return last.configuration if last else latest_configuration(environment)


def _refuse_quarantined(release: Release) -> None:
    """Writing the row keeps a quarantine out until we commit; then that one finds our deploy and cancels it."""
    if Release.objects.filter(pk=release.pk, quarantined_at=None).update(quarantined_at=None) != 1:
        release.refresh_from_db(fields=["quarantined_because"])
        raise NotDeployable(f"release {release.number} is quarantined: {release.quarantined_because}")


def _cancel(deploy: Deploy, actor: str, reason: str) -> None:
    asked = Deploy.objects.filter(pk=deploy.pk, cancel_requested_at=None).exclude(status__in=FINAL)
    if asked.update(cancel_requested_at=timezone.now()) != 1:
        return
    record(actor, "cancelled", str(deploy), reason=reason)
    if deploy.status != Status.RUNNING:
        move(deploy, Status.CANCELLED, actor=actor, reason=f"cancelled by {actor}")
        logs.close(deploy.log)
