"""A project's messages: who hears of what, where, and what came of sending."""

from typing import Annotated

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer
from pydantic import StringConstraints

from pipelines.errors import LostRace
from pipelines.notifications import lifecycle, queries
from pipelines.notifications.lifecycle import BadRule, Wish
from pipelines.notifications.models import Recipient, Rule, Topic
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from server import fetching
from server.access import Act
from server.api import description
from server.api.callers import actor, caller
from server.api.paging import Page, Paging, portion
from server.api.shapes import messages as shapes
from server.api.shapes.messages import Reached, RecipientShape, RuleShape, SendingShape, SignedRecipient
from server.api.shapes.words import PRINTABLE, Number, Short
from server.reads.sendings import rows

router = Router(tags=["Messages"])
PROJECT = "/projects/{slug:project}"
RECIPIENTS, RULES = PROJECT + "/recipients", PROJECT + "/rules"
RECIPIENT, RULE = RECIPIENTS + "/{int:recipient}", RULES + "/{int:rule}"
FORBIDDEN = description.forbidden()
Glob = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00\s,]+$")]


class Reaching(Schema):
    """`address` is a Slack channel, mail addresses with commas between, or a URL."""

    kind: Reached
    address: str = Field(min_length=1, max_length=2000, pattern=PRINTABLE, examples=["#shop"])
    label: str = Field("", max_length=60, pattern=PRINTABLE)


class Ruling(Schema):
    """`refs` are globs of branches, or of full refs, and empty for the default branch; `environments` are names, and
    empty for all. A digest is a rule of its own and has a time: `digest_at` as HH:MM on the clocks of `time_zone`."""

    recipient: Number = Field(description="The id of one of the project's recipients")
    topics: list[Topic] = Field(min_length=1, max_length=20)
    refs: list[Glob] = Field([], max_length=lifecycle.MAX_GLOBS)
    environments: list[Glob] = Field([], max_length=lifecycle.MAX_GLOBS)
    only_changes: bool = Field(True, description="Of runs: only the first that fails, and the first that is well again")
    digest_at: str | None = Field(None, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    time_zone: Short = "UTC"

    @property
    def wish(self) -> Wish:
        refs, environments = " ".join(self.refs), " ".join(self.environments)
        return Wish(self.topics, refs, environments, self.only_changes, self.digest_at or "", self.time_zone.strip())


@router.get(RECIPIENTS, response=Page[RecipientShape], openapi_extra=FORBIDDEN)
def recipients(request: HttpRequest, project: str) -> Page[RecipientShape]:
    """Who or what outside can be told of a project, in one portion."""
    return Page(items=[shapes.recipient(one) for one in queries.recipients_of(_project(request, project))])


@router.post(RECIPIENTS, response={201: SignedRecipient})
def add_recipient(
    request: HttpRequest, response: HttpResponse, project: str, given: Reaching
) -> Answer[SignedRecipient]:
    """Write a recipient down. It hears nothing before a rule says of what."""
    found = _project(request, project)
    made = lifecycle.add_recipient(found, given.kind, given.address, given.label, actor(request))
    response["Cache-Control"] = "no-store"
    return Answer(201, shapes.signed(made))


@router.get(RECIPIENT, response=RecipientShape, openapi_extra=FORBIDDEN)
def recipient(request: HttpRequest, project: str, recipient: int) -> RecipientShape:
    """One recipient."""
    return shapes.recipient(_recipient(request, project, recipient))


@router.delete(RECIPIENT, response={204: None})
def remove_recipient(request: HttpRequest, project: str, recipient: int) -> Answer[None]:
    """Forget a recipient with its rules and what was sent to it."""
    lifecycle.remove_recipient(_recipient(request, project, recipient), actor(request))
    return Answer(204, None)


@router.post(RECIPIENT + "/secret", response=SignedRecipient)
def renew_signing_secret(request: HttpRequest, response: HttpResponse, project: str, recipient: int) -> SignedRecipient:
    """Sign deliveries to a webhook with a new secret from now on."""
    one = _recipient(request, project, recipient)
    lifecycle.renew_secret(one, actor(request))
    response["Cache-Control"] = "no-store"
    return shapes.signed(one)


@router.post(RECIPIENT + "/test", response={202: None})
def send_test(request: HttpRequest, project: str, recipient: int) -> Answer[None]:
    """Send a message that says nothing but that it arrives; the list of messages tells whether it did."""
    lifecycle.send_test(_recipient(request, project, recipient), actor(request))
    return Answer(202, None)


@router.get(RECIPIENT + "/messages", response=Page[SendingShape], openapi_extra=FORBIDDEN)
def messages(request: HttpRequest, project: str, recipient: int, paging: Query[Paging]) -> Page[SendingShape]:
    """What was sent or waits to be sent to a recipient, newest first."""
    one = _recipient(request, project, recipient)
    found = rows(one.project, queries.sendings(one, paging.before, paging.limit + 1))
    return portion(found, paging, lambda row: row.sending.message.pk, shapes.sending)


@router.post(RECIPIENT + "/messages/{int:message}/again", response={202: None})
def send_again(request: HttpRequest, project: str, recipient: int, message: int) -> Answer[None]:
    """Send a message once more, under the same id and with the same body."""
    one = _recipient(request, project, recipient)
    found = Message.objects.filter(target=one.pk, pk=message).first()
    if found is None:
        raise Http404
    if not lifecycle.send_again(one, found, actor(request)):
        raise LostRace("it waits to be sent anyway")
    return Answer(202, None)


@router.get(RULES, response=Page[RuleShape], openapi_extra=FORBIDDEN)
def rules(request: HttpRequest, project: str) -> Page[RuleShape]:
    """Who hears of what, in one portion."""
    found = _project(request, project)
    return Page(items=[shapes.rule(one, found.default_branch) for one in queries.rules_of(found)])


@router.post(RULES, response={201: RuleShape})
def add_rule(request: HttpRequest, project: str, given: Ruling) -> Answer[RuleShape]:
    """Let a recipient hear of something from now on."""
    found = _project(request, project)
    made = lifecycle.add_rule(_chosen(found, given.recipient), given.wish, actor(request))
    return Answer(201, shapes.rule(made, found.default_branch))


@router.put(RULE, response=RuleShape)
def change_rule(request: HttpRequest, project: str, rule: int, given: Ruling) -> RuleShape:
    """Write a rule anew. It holds for what happens from now on."""
    one = _rule(request, project, rule)
    lifecycle.change_rule(one, _chosen(one.project, given.recipient), given.wish, actor(request))
    return shapes.rule(one, one.project.default_branch)


@router.delete(RULE, response={204: None})
def remove_rule(request: HttpRequest, project: str, rule: int) -> Answer[None]:
    """Take a rule away."""
    lifecycle.remove_rule(_rule(request, project, rule), actor(request))
    return Answer(204, None)


def _project(request: HttpRequest, project: str) -> Project:
    """Seeing it takes the role too: mail addresses, and what outsiders answered."""
    return fetching.project(caller(request), project, Act.NOTIFY)


def _recipient(request: HttpRequest, project: str, recipient: int) -> Recipient:
    found = Recipient.objects.filter(project=_project(request, project), pk=recipient).select_related("project")
    if (one := found.first()) is None:
        raise Http404
    return one


def _chosen(project: Project, recipient: int) -> Recipient:
    """Raises BadRule."""
    found = Recipient.objects.filter(project=project, pk=recipient).select_related("project").first()
    if found is None:
        raise BadRule(f"{project} has no recipient {recipient}")
    return found


def _rule(request: HttpRequest, project: str, rule: int) -> Rule:
    found = Rule.objects.filter(project=_project(request, project), pk=rule)
    if (one := found.select_related("recipient__project", "project").first()) is None:
        raise Http404
    return one
