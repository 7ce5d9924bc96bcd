"""How long and how well an environment has run a release."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q, QuerySet

from pipelines.deploys.models import Deploy, DeployKind, Environment, Release
from pipelines.states.status import Status

_LOOKED_AT = 500  # deploys since a release first came, the newest


@dataclass(frozen=True, slots=True)
class Stay:
    """A stretch in which a release was live; `end` None: it still is. `ailed_at`: when a host was last not well."""

    start: datetime
    end: datetime | None
    ailed_at: datetime | None = None

    @property
    def well_since(self) -> datetime:
        return max(self.start, self.ailed_at or self.start)


@dataclass(frozen=True, slots=True)
class Trial:
    """`ran` is the longest stretch of its being live with every host well, up to the end of that; None: it never was.
    `well_since` is the beginning of the stretch that lasts; None: it is not live now.

    `ailing` is a host that is not healthy with it. `failed` is the deploy that did not bring it, when none has and none
    is under way.
    """

    ran: timedelta | None
    well_since: datetime | None
    ailing: str
    failed: Deploy | None


def of(release: Release, environment: Environment, at: datetime) -> Trial:
    """What is known at `at`."""
    stays = stays_of(release, environment)
    ran = max(((stay.end or at) - stay.well_since for stay in stays), default=None)
    live = next((stay.well_since for stay in stays if stay.end is None), None)
    ill = ailing(release, environment) if live else ""
    return Trial(ran, live, ill, None if stays else _failed(release, environment))


def stays_of(release: Release, environment: Environment) -> list[Stay]:
    """When the release was live there, the earliest first."""
    rows = brought(environment)
    first = rows.filter(release=release).aggregate(at=Min("finished_at"))["at"]
    if first is None:
        return []
    newest = rows.filter(finished_at__gte=first).reverse()[:_LOOKED_AT]
    return list(_stays(release.pk, reversed(newest.values_list("release", "finished_at", "ailed_at"))))


def brought(environment: Environment) -> QuerySet[Deploy]:
    """The deploys that made something live there, the earliest first."""
    good = environment.deploys.filter(status=Status.SUCCEEDED).exclude(kind=DeployKind.REPAIR)
    return good.order_by("finished_at", "pk")


def _stays(release_id: int, rows: Iterable[tuple[int, Any, datetime | None]]) -> Iterator[Stay]:
    """Pure: which release went live when and was last ill when, in order."""
    stay: Stay | None = None
    for one, at, ailed_at in rows:
        if one == release_id:
            stay = Stay(stay.start if stay else at, None, ailed_at or (stay.ailed_at if stay else None))
        elif stay is not None:
            yield replace(stay, end=at)
            stay = None
    if stay is not None:
        yield stay


def ailing(release: Release, environment: Environment) -> str:
    """A host that is not well with the release that is live there; empty when all are.

    Where hosts are inspected, one of which nothing is known is not well either.
    """
    ill = Q(healthy=False)
    if environment.inspect_seconds:
        is_asked = bool(release.deploy_spec.get("health"))
        unknown = Q(healthy=None, release=release)
        ill |= unknown if is_asked else unknown & Q(facts__has_key="unreachable")
    hosts = environment.hosts.filter(ill, gone_at=None).order_by("name")
    return hosts.values_list("name", flat=True).first() or ""


def _failed(release: Release, environment: Environment) -> Deploy | None:
    tried = environment.deploys.filter(release=release)
    last = tried.order_by("pk").last()
    return last if last is not None and last.is_final and not tried.filter(finished_at=None).exists() else None
