"""Blue/green: a release goes to the group without traffic, and then all traffic to that group, in one go."""

from pipelines.deploys import flips, lifecycle
from pipelines.deploys.models import Phase
from pipelines.errors import LostRace, PipelineError, UserError, told
from pipelines.states.status import Status
from runners.hosts.convoy import QUESTIONS_AT_ONCE, Convoy
from runners.hosts.hostlog import HostLog
from runners.hosts.lane import Lane
from runners.hosts.plan import Plan
from runners.hosts.scripts.states import parse_state, read_state
from runners.masking import masked


class NotIntact(UserError):
    """The group that the traffic should go back to does not run what the record says."""


def confirm(convoy: Convoy) -> None:
    """The way back that turns the traffic only: see that the hosts run the release, and are well. Changes nothing."""
    convoy.each([lane for lane in convoy.lanes if lane.is_open], _confirm, QUESTIONS_AT_ONCE)


def turn(plan: Plan, convoy: Convoy, log: HostLog) -> None:
    """Turn the traffic to the group that came over, unless that has been done; why it could not be is the convoy's
    complaint. Raises LostRace."""
    deploy = plan.deploy
    if not flips.turns(deploy) or flips.has_turned(deploy, "done"):
        return
    flips.note_turning(deploy, "begun")
    try:
        plan.traffic.flip(deploy.group)
    except LostRace:
        raise
    except PipelineError as error:
        log.say(told(error))
        convoy.complaint = told(error)
    else:
        flips.note_turning(deploy, "done")


def _confirm(lane: Lane) -> None:
    plan = lane.plan
    if lane.row.status == Status.PENDING:
        lifecycle.start_host(lane.row)
    lifecycle.note_facts(lane.row, **flips.facts_of(lane.row.host))
    try:
        _require_intact(lane)
        lane.check_health()
    except PipelineError as error:
        lifecycle.note_health(lane.row, masked(told(error), plan.needles))
        raise
    lane.note(Phase.HEALTH, f"runs release {plan.number} as before, and is well")
    lifecycle.finish_host(lane.row, Status.SUCCEEDED)


def _require_intact(lane: Lane) -> None:
    plan = lane.plan
    state = parse_state(lane.do(read_state(plan.layout), "reading the host's state"))
    if (state.current, state.digest) != (plan.number, plan.digest):
        raise NotIntact(f"{lane.address} runs release {state.current} instead of {plan.number}: deploy it again.")
