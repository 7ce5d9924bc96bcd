"""What a message of the outbox means to a chat channel: gathers the facts, has them worded, sends them."""

from pipelines.logs import store as logs
from pipelines.outbox.models import Message
from pipelines.runs.models import Attempt, Run, Stage
from pipelines.states.models import Transition
from pipelines.states.status import BAD
from server.notifications import messages, slack
from server.notifications.errors import Refused
from server.notifications.facts import said
from server.notifications.links import run_url
from server.notifications.messages import BrokenRun
from server.notifications.words import Cause

_TAIL_BYTES = 8192


def send(message: Message) -> None:
    """Tell what `message` is about to its project's channel. Raises Refused or Unreachable."""
    told = message.transition
    if told is not None and told.subject_kind == Run.machine.name:
        _send_run(told)
        return
    telling = said(message)
    slack.post(telling.environment.project.chat_channel, messages.chat(telling.words))


def broken_run(run: Run, told: Transition) -> BrokenRun:
    bad = list(run.stages.filter(status__in=BAD).order_by("position"))
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


def _send_run(told: Transition) -> None:
    run = Run.objects.select_related("project").filter(pk=told.subject_id).first()
    if run is None:
        raise Refused("the run is no longer there")
    slack.post(run.project.chat_channel, messages.broken_run(broken_run(run, told)))


def _tail(stage: Stage) -> str:
    """The end of the stage's newest log; it was masked before it was stored."""
    attempt = Attempt.objects.filter(stage=stage).select_related("log").order_by("number").last()
    return messages.tail_of(logs.tail(attempt.log, _TAIL_BYTES).decode(errors="replace")) if attempt else ""
