"""The story of one deploy: from a claim to the verdict, over all of its hosts."""

import logging
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import groupby

from pipelines.deploys import flips, lifecycle, requests
from pipelines.deploys.lifecycle import LEASE_SECONDS, DeployClaim
from pipelines.deploys.models import Deploy, DeployKind, HostDeploy, OnBreach, Waits
from pipelines.deploys.plans import Listed
from pipelines.deploys.waits import SetAside
from pipelines.errors import LostRace, SystemFault, UserError, told
from pipelines.states.leases import DATABASE_AWAY
from pipelines.states.status import Status
from runners.heartbeat import Heartbeat
from runners.hosts import flipping, hostlist, lanes, replacing
from runners.hosts.archive import Archive
from runners.hosts.baking import Bake
from runners.hosts.convoy import Convoy, Stops
from runners.hosts.deploylog import DeployLog
from runners.hosts.forgotten import FenceForgotten
from runners.hosts.lane import Lane
from runners.hosts.plan import Plan, has_once
from runners.hosts.prelude import Prelude
from runners.hosts.resting import PATIENCE_SECONDS, set_aside
from runners.hosts.signin import fleet_of
from runners.hosts.ssh.connection import CommandCancelled
from runners.hosts.ssh.fleet import Fleet
from runners.hosts.verdicts import Verdict, judge
from runners.hosts.watching import Watch
from runners.masking import masked, needles_of

logger = logging.getLogger(__name__)

PREFLIGHTS_AT_ONCE = 16
UPLOADS_AT_ONCE = 16


def run(claim: DeployClaim) -> None:
    """Perform a claimed deploy, or carry on with one that waited or whose worker has died, up to its verdict or to
    where it waits again.

    A failure and the rollback of the hosts already switched are written in one transaction; the rollback is an
    ordinary deploy, performed by whoever claims it. Raises LostRace when another worker has taken this one over.
    """
    deploy, abandoned = claim.deploy, threading.Event()
    log = DeployLog(deploy, needles_of(secret.value for secret in deploy.environment.secrets.all()))
    with fleet_of(deploy.environment, log.say) as fleet, closing(Archive(deploy.release)) as archive:

        def abandon() -> None:
            abandoned.set()
            fleet.close()

        heart = Heartbeat(
            partial(lifecycle.renew, deploy),
            lease_seconds=LEASE_SECONDS,
            on_stop=lambda: abandon() if heart.lost.is_set() else None,
        )
        if deploy.cancel_requested_at is not None:
            heart.cancelled.set()
        try:
            with heart, suppress(SetAside):
                verdict = _verdict(claim, fleet, archive, Stops(heart.cancelled, abandoned, abandon), log)
                lifecycle.finish_deploy(deploy, verdict.status, verdict.reason)
        except FenceForgotten as error:
            log.say(str(error))
            lifecycle.let_go(deploy)
            raise


def _verdict(claim: DeployClaim, fleet: Fleet, archive: Archive, stops: Stops, log: DeployLog) -> Verdict:
    plan: Plan | None = None
    try:
        plan = lanes.plan_of(claim.deploy, fleet, archive, stops, log)
        verdict = _Performance(claim, plan, stops, log).verdict()
    except UserError as error:
        verdict = Verdict(Status.FAILED, masked(str(error), log.needles))
    except SystemFault as error:
        verdict = Verdict(Status.ERRORED, masked(str(error), log.needles))
    except CommandCancelled as error:
        verdict = Verdict(Status.CANCELLED, str(error))
    except (LostRace, *DATABASE_AWAY):
        raise
    except Exception as error:
        logger.exception("%s broke", claim.deploy)
        verdict = Verdict(Status.ERRORED, masked(told(error), log.needles))
    if plan is not None:
        replacing.end(plan, verdict, log.say)
    elif replacing.applies(claim.deploy) and claim.deploy.hosts.exists():
        log.say("nothing was done about its machines: look in the cloud which of them run")
    log.say(f"{verdict.status}: {verdict.reason}" if verdict.reason else verdict.status)
    return verdict


class _Performance:
    """One deploy in the hands of one worker."""

    def __init__(self, claim: DeployClaim, plan: Plan, stops: Stops, log: DeployLog) -> None:
        self._deploy, self._resumed = claim.deploy, claim.resumed
        self._plan, self._stops, self._log = plan, stops, log
        self._convoy = Convoy(plan, self._freeze(), stops)
        self._is_ready = self._has_turned = self._has_ended_once = False

    def verdict(self) -> Verdict:
        """The procedure. Raises SetAside where the deploy is to wait without a worker."""
        waves = [list(wave) for _, wave in groupby(self._convoy.lanes, lambda lane: lane.row.wave)]
        bake = Bake(self._deploy, self._convoy, self._stops, self._log)
        for wave in waves:
            if any(lane.is_open for lane in wave):
                self._bring_over(wave)
            if wave is not waves[-1]:
                bake.after(wave[0].row.wave)
        self._turn()
        self._end_once()
        return self._concluded(self._judge())

    def _freeze(self) -> list[Lane]:
        """The hosts and their waves, as first written down; a takeover or a changed inventory does not change them."""
        deploy = self._deploy
        if deploy.hosts.exists():
            rows = lifecycle.rows_of(deploy)
        else:
            starts = replacing.applies(deploy)
            if starts:
                chosen = replacing.choose(self._plan, self._log.say, self._stops)
            else:
                chosen = hostlist.choose(deploy, self._unserved_first)
            rows = lifecycle.freeze(deploy, chosen.waves, chosen.listed)
            names = ", ".join(row.host.name for row in rows)
            self._log.say(f"{deploy.kind} {deploy.number} brings release {self._plan.number} to {names}")
        return lanes.lanes_of(self._plan, rows)

    def _unserved_first(self, hosts: Sequence[Listed]) -> Sequence[Listed]:
        """What nobody meets is changed first: then it serves while the others are, should they be the last that do."""
        served = self._plan.traffic.served(hosts)
        return sorted(hosts, key=lambda host: host.name in served)

    def _bring_over(self, wave: list[Lane]) -> None:
        """One wave; before the first all hosts are made ready, and a person may have asked to pause."""
        self._pause_if_asked()
        self._make_ready()
        open_lanes = [lane for lane in wave if lane.is_open]
        if open_lanes and not self._convoy.is_over:
            names = ", ".join(lane.row.host.name for lane in open_lanes)
            self._log.say(f"wave {wave[0].row.wave + 1}: {names}")
        served = self._plan.traffic.served([lane.row.host for lane in open_lanes])
        open_lanes.sort(key=lambda lane: lane.row.host.name in served)
        self._convoy.each(open_lanes, lambda lane: lane.bring_over(), requests.caution(self._deploy).at_once)

    def _pause_if_asked(self) -> None:
        asked = Deploy.objects.filter(pk=self._deploy.pk, pause_requested_at__isnull=False)
        if not self._convoy.is_over and asked.exists():
            self._log.say("paused before the next hosts, as a person asked")
            self._convoy.hold(PATIENCE_SECONDS)
            set_aside(self._deploy, Waits.PAUSE, "paused before the next hosts, as a person asked", self._stops)

    def _make_ready(self) -> None:
        """Every host that is left is asked, then gets the release, before anything changes on any."""
        if self._is_ready:
            return
        self._is_ready, convoy = True, self._convoy
        if self._resumed:
            self._log.say(f"{self._deploy.kind} {self._deploy.number} goes on with release {self._plan.number}")
        if self._deploy.flips:
            flipping.confirm(convoy)
            return
        prelude = Prelude(self._deploy, self._plan, convoy, self._log, self._resumed)
        prelude.remember()
        lifecycle.note_checking(self._deploy, [lane.row for lane in convoy.lanes if lane.is_open])
        convoy.each(convoy.lanes, lambda lane: lane.preflight(), PREFLIGHTS_AT_ONCE)
        convoy.each(convoy.lanes, lambda lane: lane.upload(), UPLOADS_AT_ONCE)
        if not convoy.is_over:
            replacing.make_room(self._plan, convoy, self._log.say)
        if not convoy.is_over:
            prelude.migrate()
        if not convoy.is_over:
            prelude.run_hooks()

    def _turn(self) -> None:
        """All hosts are over: blue/green, they get the traffic; replace, those that served leave it."""
        if not self._convoy.is_over:
            flipping.turn(self._plan, self._convoy, self._log)
            replacing.retire(self._plan, self._convoy, self._log.say)
            self._has_turned = True

    def _undone(self) -> str:
        """In words, what comes after the last host and was not done; empty once the deploy is watched."""
        deploy, hooks = self._deploy, self._plan.spec.hooks.after
        if deploy.watched_until is not None:
            return ""
        if flips.turns(deploy) and not flips.has_turned(deploy, "done"):
            return f"the traffic was not turned to {deploy.group}"
        if replacing.applies(deploy) and not self._has_turned:
            return "the machines before it still serve"
        return "what is done once after all hosts was not" if has_once(hooks) and not self._has_ended_once else ""

    def _judge(self) -> Verdict:
        self._stops.refuse_abandoned()
        convoy = self._convoy
        return judge(
            self._counted([lane.row for lane in convoy.lanes]),
            cancelled=self._stops.cancelled.is_set(),
            too_many=convoy.has_lost_too_many,
            complaint=masked(convoy.complaint, self._log.needles),
            undone=self._undone(),
        )

    def _counted(self, rows: list[HostDeploy]) -> list[HostDeploy]:
        """On the way back, of the hosts that could not be reached only those that are still there."""
        away = [row.host.name for row in rows if row.unreachable]
        gone = hostlist.gone(self._deploy.environment, away) if away and self._deploy.undoes_id is not None else []
        if gone:
            self._log.say(f"not listed any more, and not counted: {', '.join(gone)}")
        return [row for row in rows if row.host.name not in gone]

    def _concluded(self, verdict: Verdict) -> Verdict:
        """A good one is watched first; of a bad one the hosts hear before anything is brought back."""
        if verdict.status == Status.SUCCEEDED:
            verdict = Watch(self._deploy, self._convoy, self._stops, self._log).over(verdict)
        if verdict.is_bad:
            self._hear_of_failure()
            self._ask(verdict)
        return verdict

    def _ask(self, verdict: Verdict) -> None:
        """Wait for a person who finishes it forward or brings it back, if the environment wanted that."""
        is_asked = self._deploy.on_breach == OnBreach.ASK and self._deploy.kind == DeployKind.DEPLOY
        if is_asked and self._convoy.touched and not replacing.applies(self._deploy):
            self._convoy.hold(PATIENCE_SECONDS)
            set_aside(self._deploy, Waits.BREACH, verdict.reason, self._stops)

    def _end_once(self) -> None:
        """Hooks after all hosts are over, on one of them, before the watch. One that fails fails the deploy."""
        if not self._convoy.is_over and self._convoy.over and self._deploy.watched_until is None:
            self._convoy.complaint = self._hook(self._convoy.over[0], "after", once=True)
            self._has_ended_once = True

    def _hear_of_failure(self) -> None:
        """A host that failed has heard of it; now those that had come over do, and one host for all."""
        for lane in self._convoy.over:
            self._hook(lane, "failure", once=False)
        for lane in self._convoy.touched[:1]:
            self._hook(lane, "failure", once=True)

    def _hook(self, lane: Lane, moment: str, *, once: bool) -> str:
        """Run hooks on a host that has its verdict, into the log of the deploy; why one failed, if one did."""
        if not any(hook.once == once for hook in getattr(self._plan.spec.hooks, moment)):
            return ""
        try:
            lanes.speaking_into_the_deploys_log(lane).run_hooks(moment, once=once)
        except (UserError, SystemFault, CommandCancelled) as error:
            self._stops.refuse_abandoned()
            self._log.say(told(error))
            return told(error)
        return ""
