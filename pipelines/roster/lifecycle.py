"""Come, be seen, drain, go."""

from collections.abc import Collection
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from pipelines.audit.record import record
from pipelines.errors import UserError
from pipelines.roster.models import Kind, Machine, Runner
from pipelines.states import leases
from pipelines.states.signals import progressed

GONE_SECONDS = 30  # who has not been seen for so long is taken for dead
FORGOTTEN_SECONDS = 600  # so long the page says that it has gone


class NobodyThere(UserError):
    """There is no such runner or host."""


@transaction.atomic
def register(host: str, pid: int, kind: Kind, labels: Collection[str], version: str) -> Runner:
    """Note that this process has begun. One of the same name is dead: a container that is started again has its host
    name and pid once more."""
    name = f"{host}:{pid}"
    Runner.objects.filter(name=name).delete()
    runner = Runner.objects.create(
        name=name, host=host[:150], pid=pid, kind=kind, labels=sorted(labels), version=version[:40]
    )
    _tell(runner)
    return runner


def beat(runner: Runner) -> bool:
    """Say that it is alive; False when it has been forgotten meanwhile, and has to register again."""
    return Runner.objects.filter(pk=runner.pk).update(seen_at=Now()) == 1


def retire(runner: Runner) -> None:
    """It ends in good order; who dies is found to be gone."""
    Runner.objects.filter(pk=runner.pk).delete()
    _tell(runner)


def forget() -> int:
    """Delete what has been gone for long; returns how many."""
    return Runner.objects.exclude(seen_at__gte=leases.until(-FORGOTTEN_SECONDS)).delete()[0]


def is_draining(runner: Runner) -> bool:
    """Whether it shall begin nothing more: one short look."""
    host_drains = Exists(Machine.objects.filter(host=OuterRef("host")))
    return Runner.objects.filter(Q(drain_requested_at__isnull=False) | host_drains, pk=runner.pk).exists()


def leaves(runner: Runner) -> bool:
    """Whether it shall end once it has drained."""
    return Runner.objects.filter(pk=runner.pk, leaves=True).exists()


@transaction.atomic
def drain(who: str, actor: str, *, leave: bool = False) -> list[Runner]:
    """Let a runner, or all of a host and those that start there later, take nothing new; with `leave` those that are
    there end afterwards. Gives them. Raises NobodyThere."""
    found = _named(who)
    stamps = {"drain_requested_at": Now(), "drain_requested_by": actor[:150]}
    if _is_host(who, found):
        Machine.objects.update_or_create(host=who, defaults=stamps)
    Runner.objects.filter(pk__in=[runner.pk for runner in found]).update(**stamps, leaves=leave)
    record(actor, "drained", who, reason="they end afterwards" if leave else "")
    _tell(*found)
    return found


@transaction.atomic
def undrain(who: str, actor: str) -> list[Runner]:
    """Let them work again; those of a drained host one by one cannot. Raises NobodyThere."""
    found = _named(who)
    Machine.objects.filter(host=who).delete()
    if not _is_host(who, found) and Machine.objects.filter(host=found[0].host).exists():
        raise NobodyThere(f"all of {found[0].host} drains: let the whole host work again")
    Runner.objects.filter(pk__in=[runner.pk for runner in found]).update(
        drain_requested_at=None, drain_requested_by="", leaves=False
    )
    record(actor, "let work again", who)
    _tell(*found)
    return found


def _tell(*runners: Runner) -> None:
    """Whoever watches the runners sees it at once; that one is silent they see by looking."""
    for runner in runners:
        transaction.on_commit(partial(progressed.send, Runner, subject=runner), robust=True)


def _named(who: str) -> list[Runner]:
    found = list(Runner.objects.filter(name=who) or Runner.objects.filter(host=who).order_by("name"))
    if not found and not Machine.objects.filter(host=who).exists():
        raise NobodyThere(f"there is no runner and no host {who!r}; the runners page names them")
    return found


def _is_host(who: str, found: list[Runner]) -> bool:
    return not any(runner.name == who for runner in found)
