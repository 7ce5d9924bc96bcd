"""Looks at an environment's hosts: a control worker asks them, and the answer is fetched when it is there."""

from datetime import datetime
from typing import Literal

from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.deploys import scans
from pipelines.deploys.models import Environment, HostKey
from pipelines.probes import lifecycle, queries
from pipelines.probes.models import Kind, Probe
from pipelines.states.status import Status
from server import fetching
from server.access import Act
from server.api.callers import actor, caller, human
from server.api.paging import Page
from server.api.shapes.probes import ProbeShape, probe
from server.api.shapes.words import Number, Short

router = Router(tags=["Hosts"])
HOSTS = "/projects/{slug:project}/environments/{slug:environment}/hosts"
Look = Literal["inventory", "host_keys", "connection"]


class KeyShape(Schema):
    """A key that a host is known by."""

    address: str
    port: int
    key_type: str
    fingerprint: str
    approved_by: str
    approved_at: datetime


class Trusting(Schema):
    """Keys of a scan, each as `address:port fingerprint`. Each takes the place of all other keys of its host."""

    scan: Number = Field(description="The id of the look at the host keys in which they were compared")
    keys: list[Short] = Field(min_length=1, max_length=1000, examples=[["10.0.0.7:22 SHA256:4sLw"]])


@router.post(HOSTS + "/looks/{look}", response={202: ProbeShape})
def look_at_hosts(request: HttpRequest, project: str, environment: str, look: Look) -> Answer[ProbeShape]:
    """Ask the inventory for the hosts, the hosts for their keys, or sign in to each. A second time asks nothing more
    while the first has no answer."""
    place = fetching.environment(caller(request), project, environment, Act.PROBE)
    return Answer(202, probe(lifecycle.ask(Kind(look), place.pk, actor(request))))


@router.get(HOSTS + "/looks/{look}", response=ProbeShape)
def newest_look(request: HttpRequest, project: str, environment: str, look: Look) -> ProbeShape:
    """The newest look of its kind: whether it is done, and what it saw. 404 before the first."""
    place = fetching.environment(caller(request), project, environment)
    found = queries.newest(Kind(look), place.pk)
    if found is None:
        raise Http404
    return probe(found)


@router.get(HOSTS + "/keys", response=Page[KeyShape])
def host_keys(request: HttpRequest, project: str, environment: str) -> Page[KeyShape]:
    """The keys that the hosts may show, in one portion."""
    return _keys(fetching.environment(caller(request), project, environment))


@router.post(HOSTS + "/keys", response=Page[KeyShape])
def approve_host_keys(request: HttpRequest, project: str, environment: str, given: Trusting) -> Page[KeyShape]:
    """Trust keys that somebody has compared with what the hosts themselves say. It takes a person. The answer is all
    that the hosts may show now; what the scan has not shown is passed over."""
    place = fetching.environment(caller(request), project, environment, Act.TRUST)
    human(request, "approve host keys")
    scans.approve(place, _scan(place, given.scan), given.keys, actor(request))
    return _keys(place)


def _scan(place: Environment, number: int) -> Probe:
    succeeded = Probe.objects.filter(kind=Kind.HOST_KEYS, subject_id=place.pk, status=Status.SUCCEEDED)
    if (found := succeeded.filter(pk=number).first()) is None:
        raise Http404
    return found


def _keys(place: Environment) -> Page[KeyShape]:
    return Page(items=[_key(one) for one in place.host_keys.order_by("address", "port", "key_type")])


def _key(one: HostKey) -> KeyShape:
    return KeyShape(
        address=one.address,
        port=one.port,
        key_type=one.key_type,
        fingerprint=one.fingerprint,
        approved_by=one.pinned_by,
        approved_at=one.pinned_at,
    )
