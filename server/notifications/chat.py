"""What a transition means to a chat channel: gathers the facts, has them worded, sends them."""

from pipelines.deploys.models import Deploy, DeployKind
from pipelines.logs import store as logs
from pipelines.outbox.models import Message
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states.models import Transition
from pipelines.states.status import Status
from server.notifications import messages, slack
from server.notifications.errors import Refused
from server.notifications.links import deploy_url, run_url
from server.notifications.messages import BrokenRun, Cause, EndedDeploy

_BAD = (Status.FAILED, Status.ERRORED)
_TAIL_BYTES = 8192


def send(message: Message) -> None:
    """Tell the transition that `message` is about to its project's channel. Raises Refused or Unreachable."""
    told = message.transition
    if told.subject_kind == Run.machine.name:
        run = Run.objects.select_related("project").filter(pk=told.subject_id).first()
        if run is not None:
            slack.post(run.project.chat_channel, messages.broken_run(broken_run(run, told)))
            return
    if told.subject_kind == Deploy.machine.name:
        found = Deploy.objects.select_related("environment__project", "release", "undone_by__release")
        deploy = found.filter(pk=told.subject_id).first()
        if deploy is not None:
            slack.post(deploy.environment.project.chat_channel, messages.ended_deploy(ended_deploy(deploy, told)))
            return
    raise Refused(f"{told.subject_kind} {told.subject_id} is not there, or is nothing to tell a channel of")


def broken_run(run: Run, told: Transition) -> BrokenRun:
    bad = list(run.stages.filter(status__in=_BAD).order_by("position"))
    return BrokenRun(
        project=run.project.name,
        number=run.number,
        status=told.to_status,
        ref_name=run.ref_name,
        short_sha=run.short_sha,
        title=run.title,
        author=run.author,
        reason=told.reason,
        causes=tuple(Cause(stage.name, stage.reason) for stage in bad),
        tail=_tail(bad[0]) if bad else "",
        url=run_url(run.project.name, run.number),
    )


def ended_deploy(deploy: Deploy, told: Transition) -> EndedDeploy:
    bad = deploy.hosts.filter(status__in=_BAD).select_related("host").order_by("wave", "host__name")
    undone_by = getattr(deploy, "undone_by", None)
    return EndedDeploy(
        project=deploy.environment.project.name,
        environment=deploy.environment.name,
        number=deploy.number,
        status=told.to_status,
        is_rollback=deploy.kind == DeployKind.ROLLBACK,
        release=deploy.release.number,
        short_sha=deploy.release.short_sha,
        title=deploy.release.title,
        asked_by=deploy.asked_by,
        why=deploy.why,
        reason=told.reason,
        hosts=deploy.hosts.count(),
        bad_hosts=tuple(Cause(row.host.name, row.reason) for row in bad),
        undone_by=undone_by.number if undone_by else None,
        undone_to=undone_by.release.number if undone_by else None,
        url=deploy_url(deploy.environment.project.name, deploy.number),
    )


def _tail(stage: Stage) -> str:
    """The end of the stage's newest log; it was masked before it was stored."""
    attempt = Attempt.objects.filter(stage=stage).select_related("log").order_by("number").last()
    return messages.tail_of(logs.tail(attempt.log, _TAIL_BYTES).decode(errors="replace")) if attempt else ""
