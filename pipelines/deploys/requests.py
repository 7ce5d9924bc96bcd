"""Ask for deploys and rollbacks: what is allowed, and the row that says so."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys import endings, queue, rules
from pipelines.deploys.models import Configuration, Deploy, DeployKind, Environment, Release
from pipelines.deploys.strategies import Caution, number, stricter
from pipelines.errors import LostRace, UserError
from pipelines.logs import store as logs
from pipelines.runs.receiving import next_number
from pipelines.spec.installation import StrategyKind
from pipelines.spec.model import DeploySpec, StrategySpec
from pipelines.states.signals import progressed
from pipelines.states.status import FINAL, Status
from pipelines.states.transitions import begin
from pipelines.states.transitions import transition as move

ROLLBACK_PRIORITY = 10
# Of what ends something that has begun: before all else.
FOLLOW_UP_PRIORITY = 20


class NotDeployable(UserError):
    """This release may not go to this environment."""


def request(
    environment: Environment,
    release: Release,
    actor: str,
    why: str = "",
    *,
    override: str = "",
    person: User | None = None,
) -> Deploy:
    """A person asks for a deploy. Raises NotDeployable with the reason when the environment does not take it.

    It waits for what keeps deploys away. With an `override`, the reason of the `person`, it passes that: whether they
    may is asked before. A second click while it waits gives the same deploy.
    """
    if override and person is None:
        raise NotDeployable("only a person lets a deploy pass what keeps it away")
    if release.project_id != environment.project_id:
        raise NotDeployable(f"{release} is not of {environment.project}")
    if not rules.takes(environment.ref_pattern, release.ref):
        raise NotDeployable(
            f"{environment.name} takes {environment.ref_pattern}; release {release.number} is of {release.ref}"
        )
    with transaction.atomic():
        _refuse_quarantined(release)
        said = override.strip()[:300]
        if asked := _asked_before(environment, release, actor, said):
            return asked
        deploy = insert(environment, release, actor=actor, why=why, override=said)
        record(actor, "asked to deploy", str(release), reason=why, environment=environment.name)
        queue.note_override(deploy, actor)
    queue.settle(environment.pk)
    deploy.refresh_from_db()
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
    **fields: Any,
) -> Deploy:
    """The row of a deploy, queued, in the caller's transaction; a rollback goes to the head of the queue.

    `fields` are further columns, and stand for those that would be worked out: priority, configuration.
    """
    is_new = kind == DeployKind.DEPLOY
    columns: dict[str, Any] = {
        "configuration": latest_configuration(environment) if is_new else configuration_of(environment, release),
        "priority": ROLLBACK_PRIORITY if kind == DeployKind.ROLLBACK else 0,
        **fields,
    }
    deploy = Deploy.objects.create(
        environment=environment,
        number=next_number(environment.project, "next_deploy_number"),
        kind=kind,
        release=release,
        replaces=Release.objects.filter(live_in=environment).first(),
        undoes=undoes,
        automatic=automatic,
        asked_by=actor,
        why=why[:300],
        log=logs.open_log(),
        **columns,
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


def replaces_machines(deploy: Deploy) -> bool:
    """Whether machines come and go with it. Then a worker has to end it: whichever are not needed have to be ended."""
    return deploy.kind != DeployKind.REPAIR and strategy(deploy).kind == StrategyKind.REPLACE


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


def change_configuration(
    environment: Environment, values: dict[str, str], actor: str, *, based_on: int | None = None
) -> Configuration:
    """A new version with these plain values; it reaches the hosts with the next deploy.

    `based_on` is the version that the person had before them: raises LostRace when there is a newer one.
    """
    while True:
        newest = latest_configuration(environment).version
        if based_on not in (None, newest):
            raise LostRace(f"{environment.name} has version {newest} of its configuration by now, not {based_on}")
        version = newest + 1
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


def _asked_before(environment: Environment, release: Release, actor: str, override: str) -> Deploy | None:
    """What this person has asked for in the same words and waits; whoever asks now waits for who asked first, for both
    write the release."""
    waiting = environment.deploys.filter(kind=DeployKind.DEPLOY, started_at=None, finished_at=None)
    same = waiting.filter(configuration=latest_configuration(environment), override=override)
    return same.filter(release=release, asked_by=actor, continues=None).order_by("pk").first()


def _refuse_quarantined(release: Release) -> None:
    """Writing the row keeps a quarantine out until we commit; then that one finds our deploy and cancels it."""
    if Release.objects.filter(pk=release.pk, quarantined_at=None).update(quarantined_at=None) != 1:
        release.refresh_from_db(fields=["quarantined_because"])
        raise NotDeployable(f"release {release.number} is quarantined: {release.quarantined_because}")


def rouse(deploy: Deploy, actor: str) -> None:
    """Whoever has it in hand is to look at what a person has asked, and so is who watches; one that waits in its middle
    gets a worker. In the caller's transaction."""
    transaction.on_commit(partial(progressed.send_robust, Deploy, subject=deploy))
    if deploy.status == Status.BLOCKED:
        move(deploy, Status.QUEUED, actor=actor, waits_for="", waits_until=None)


def _cancel(deploy: Deploy, actor: str, reason: str) -> None:
    asked = Deploy.objects.filter(pk=deploy.pk, cancel_requested_at=None).exclude(status__in=FINAL)
    if asked.update(cancel_requested_at=timezone.now()) != 1:
        return
    record(actor, "cancelled", str(deploy), reason=reason)
    deploy.refresh_from_db(fields=["status", "started_at"])  # its worker may have let it wait a moment ago
    if deploy.status == Status.RUNNING or (deploy.started_at is not None and replaces_machines(deploy)):
        rouse(deploy, actor)
        return
    if deploy.started_at is not None:
        said = endings.standing(deploy.hosts.all())
        endings.end(deploy, Status.CANCELLED, f"cancelled by {actor}; {said}", actor=actor)
        return
    move(deploy, Status.CANCELLED, actor=actor, reason=f"cancelled by {actor}")
    logs.close(deploy.log)
