"""How much of the machine a stage may use: what it asks for, the server's default, and the server's maximum."""

from django.conf import settings

from pipelines.spec.model import ResourcesSpec
from runners.containers.executor import Limits


def limits_of(asked: ResourcesSpec) -> Limits:
    """What the containers of a stage get, each of its own."""
    memory_mb = asked.memory_mb or settings.SLIPWAY_STAGE_MEMORY_MB
    cpus = asked.cpus or settings.SLIPWAY_STAGE_CPUS
    return Limits(
        memory_bytes=min(memory_mb, _memory_mb_max()) * 1024**2,
        cpus=min(cpus, _cpus_max()),
        pids=settings.SLIPWAY_STAGE_PIDS,
    )


def capped(asked: ResourcesSpec) -> list[str]:
    """What was asked for and is not given, in words."""
    told = []
    if asked.memory_mb and asked.memory_mb > _memory_mb_max():
        told.append(f"memory: {_memory_mb_max()} MB instead of {asked.memory_mb} MB, the most that this server gives")
    if asked.cpus and asked.cpus > _cpus_max():
        told.append(f"cpus: {_cpus_max():g} instead of {asked.cpus:g}, the most that this server gives")
    return told


def _memory_mb_max() -> int:
    """A default above the maximum is the maximum: an operator set both."""
    return max(settings.SLIPWAY_STAGE_MEMORY_MB_MAX, settings.SLIPWAY_STAGE_MEMORY_MB)


def _cpus_max() -> float:
    return max(settings.SLIPWAY_STAGE_CPUS_MAX, settings.SLIPWAY_STAGE_CPUS)
