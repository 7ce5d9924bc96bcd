"""The story of one deploy: from a claim to the verdict, over all of its hosts."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from django.db import InterfaceError, OperationalError, connection

from pipelines.deploys import hostkeys, lifecycle
from pipelines.deploys.lifecycle import LEASE_SECONDS, DeployClaim, Listed
from pipelines.deploys.models import Deploy, DeployKind, Environment, HostDeploy, HostKeyPolicy
from pipelines.deploys.strategies import Decision, decide, waves
from pipelines.errors import LostRace, PipelineError, SystemFault, UserError
from pipelines.spec.model import DeploySpec
from pipelines.states.status import Status, worst
from runners.clouds.sources import open_inventory
from runners.heartbeat import Heartbeat
from runners.hosts.archive import Archive
from runners.hosts.commands import Claim
from runners.hosts.connection import Address, CommandCancelled, Connection, HostKey
from runners.hosts.fleet import Fleet, Target, on_all
from runners.hosts.hostlog import HostLog, masked
from runners.hosts.lane import Lane, Plan, status_of, told
from runners.hosts.layout import Layout, render_environment
from runners.hosts.ssh import connect, load_key, scan_host_key
from runners.masking import needles_of

logger = logging.getLogger(__name__)

UPLOADS_AT_ONCE = 8
HOSTS_NAMED = 5
# Then nothing is known to be wrong with a host: the deploy is left as it stands for whoever takes it over.
DATABASE_AWAY = (OperationalError, InterfaceError)


class NoCredential(UserError):
    """The environment has no key to sign in to its hosts with."""


class MigrationUnknown(SystemFault):
    """The host that may have begun the migration cannot be asked, so nobody may begin it elsewhere."""


class Abandoned(LostRace):
    """This worker stops here; the deploy goes on in another one's hands."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a deploy ended, in a word and a sentence."""

    status: Status
    reason: str = ""


def run(claim: DeployClaim) -> None:
    """Perform a claimed deploy, or carry on with one whose worker has died, up to its verdict.

    A failure and the rollback of the hosts already switched are written in one transaction; the rollback is an
    ordinary deploy, performed by whoever claims it. Raises LostRace when another worker has taken this one over.
    """
    deploy = claim.deploy
    abandoned = threading.Event()
    with ExitStack() as stack:
        fleet = stack.enter_context(Fleet(partial(_open, deploy.environment, _loader(deploy.environment))))
        abandon = partial(_abandon, abandoned, fleet)
        heart = Heartbeat(partial(lifecycle.renew, deploy), lease_seconds=LEASE_SECONDS)
        heart = stack.enter_context(heart)
        archive = stack.enter_context(closing(Archive(deploy.release)))
        verdict = _verdict(claim, heart, fleet, archive, abandoned, abandon)
    _tell(deploy, verdict)
    lifecycle.finish_deploy(deploy, verdict.status, verdict.reason)
