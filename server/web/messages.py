"""A project's messages: who hears of what, where, and what came of sending."""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib import messages as told
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pipelines.deploys.announcements import addresses
from pipelines.errors import UserError
from pipelines.notifications import lifecycle, queries
from pipelines.notifications.lifecycle import Wish
from pipelines.notifications.models import Kind, Recipient, Rule, Topic
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from server import access
from server.access import Act
from server.reads.sendings import rows
from server.rulewords import sentence
from server.web import fetching

_ACTS: dict[str, tuple[Callable[[Recipient, str], None], str]] = {
    "test": (lifecycle.send_test, "A test message to {} is on its way."),
    "renew": (lifecycle.renew_secret, "Deliveries to {} are signed with a new secret from now on."),
    "remove": (lifecycle.remove_recipient, "{} hears nothing any more."),
}


@login_required
def messages(request: HttpRequest, project: str) -> HttpResponse:
    """The rules as sentences, the recipients, and the forms that add one; a POST adds a rule."""
    found = fetching.project(request, project, Act.NOTIFY)
    if request.method != "POST":
        return _page(request, found)
    try:
        recipient = _chosen(request, found)
        lifecycle.add_rule(recipient, _wish(request), access.actor(request.user))
    except UserError as error:
        return _page(request, found, rule_problem=str(error))
    told.success(request, f"From now on {recipient.name} hears of it.")
    return redirect("messages", project)


@login_required
@require_POST
def add_recipient(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project, Act.NOTIFY)
    kind, address, label = (request.POST.get(name, "") for name in ("kind", "address", "label"))
    try:
        made = lifecycle.add_recipient(found, kind, address, label, access.actor(request.user))
    except UserError as error:
        return _page(request, found, recipient_problem=str(error))
    told.success(request, f"{made.name} is there. Send it a test message, then say in a rule what it hears of.")
    return redirect("messages", project)


@login_required
def rule(request: HttpRequest, project: str, rule_id: int) -> HttpResponse:
    """One rule in its form; a POST changes it."""
    found = fetching.project(request, project, Act.NOTIFY)
    one = get_object_or_404(Rule.objects.select_related("recipient", "project"), project=found, pk=rule_id)
    problem = ""
    if request.method == "POST":
        try:
            lifecycle.change_rule(one, _chosen(request, found), _wish(request), access.actor(request.user))
        except UserError as error:
            problem = str(error)
        else:
            told.success(request, "The rule is changed.")
            return redirect("messages", project)
    given = _given(request) if problem else _as_given(one)
    page = {**_choices(found), "project": found, "rule": one, "given": given, "rule_problem": problem}
    return render(request, "message_rule.html", page, status=400 if problem else 200)


@login_required
@require_POST
def remove_rule(request: HttpRequest, project: str, rule_id: int) -> HttpResponse:
    found = fetching.project(request, project, Act.NOTIFY)
    one = get_object_or_404(Rule.objects.select_related("recipient__project", "project"), project=found, pk=rule_id)
    lifecycle.remove_rule(one, access.actor(request.user))
    told.success(request, "The rule is removed.")
    return redirect("messages", project)


@login_required
def recipient(request: HttpRequest, project: str, recipient_id: int) -> HttpResponse:
    """What was sent to it, and what came of that."""
    one = get_object_or_404(_recipients(request, project), pk=recipient_id)
    before = fetching.whole_number(request.GET.get("before"))
    sendings = queries.sendings(one, before)
    page = {
        "project": one.project,
        "recipient": one,
        "rows": rows(one.project, sendings),
        "is_waiting": any(not (s.message.sent_at or s.message.given_up_at) for s in sendings),
        "older": sendings[-1].message.pk if len(sendings) == queries.PAGE else None,
        "is_webhook": one.kind == Kind.WEBHOOK,
    }
    return render(request, "message_recipient.html", page)


@login_required
@require_POST
def change_recipient(request: HttpRequest, project: str, recipient_id: int) -> HttpResponse:
    """`act` is test, renew or remove."""
    one = get_object_or_404(_recipients(request, project), pk=recipient_id)
    act, said = _ACTS.get(request.POST.get("act", ""), (None, ""))
    if act is not None:
        try:
            act(one, access.actor(request.user))
        except UserError as error:
            told.error(request, f"Nothing was changed: {error}.")
        else:
            told.success(request, said.format(one.name))
    gone = one.pk is None
    return redirect("messages", project) if gone else redirect("message-recipient", project, recipient_id)


@login_required
@require_POST
def send_again(request: HttpRequest, project: str, recipient_id: int) -> HttpResponse:
    one = get_object_or_404(_recipients(request, project), pk=recipient_id)
    number = fetching.whole_number(request.POST.get("message")) or 0
    message = get_object_or_404(Message, target=one.pk, pk=number)
    if lifecycle.send_again(one, message, access.actor(request.user)):
        told.success(request, "It is sent again, under the same id.")
    else:
        told.error(request, "It waits to be sent anyway.")
    return redirect("message-recipient", project, recipient_id)


def _page(
    request: HttpRequest, project: Project, *, rule_problem: str = "", recipient_problem: str = ""
) -> HttpResponse:
    rules = [(one, sentence(one, project.default_branch)) for one in queries.rules_of(project)]
    page = {
        **_choices(project),
        "project": project,
        "rules": rules,
        "by_settings": _by_settings(project),
        "troubles": list(queries.troubled(project)[:3]),
        "given": _given(request) if rule_problem else {"only_changes": True},
        "typed": request.POST if recipient_problem else {},
        "rule_problem": rule_problem,
        "recipient_problem": recipient_problem,
    }
    return render(request, "messages.html", page, status=400 if rule_problem or recipient_problem else 200)


def _by_settings(project: Project) -> list[tuple[str, str]]:
    """Who hears by the project's and environments' own settings: name, and what."""
    chat = [(project.chat_channel, f"of every run of {project.default_branch} that fails, and of all deploys")]
    mailed = project.environments.exclude(mail_to="").order_by("name")
    mails = [(", ".join(addresses(place.mail_to)), f"of deploys to {place.name}") for place in mailed]
    return [*(chat if project.chat_channel else []), *mails]


def _choices(project: Project) -> dict[str, Any]:
    topics = [(str(topic), topic.label) for topic in Topic]
    return {
        "recipients": queries.recipients_of(project),
        "kinds": Kind.choices,
        "run_topics": [one for one in topics if one[0].startswith("run.")],
        "deploy_topics": [one for one in topics if not one[0].startswith("run.") and one[0] != Topic.DIGEST],
        "digest": Topic.DIGEST.value,
        "environments": list(project.environments.order_by("name").values_list("name", flat=True)),
        "zones": sorted(available_timezones()),
        "has_slack": bool(settings.SLIPWAY_SLACK_TOKEN),
        "has_mail": bool(settings.SLIPWAY_MAIL_URL),
    }


def _recipients(request: HttpRequest, project: str) -> QuerySet[Recipient]:
    found = fetching.project(request, project, Act.NOTIFY)
    return Recipient.objects.filter(project=found).select_related("project")


def _chosen(request: HttpRequest, project: Project) -> Recipient:
    number = fetching.whole_number(request.POST.get("recipient"))
    found = Recipient.objects.filter(project=project, pk=number or 0).select_related("project").first()
    if found is None:
        raise lifecycle.BadRule("say who is to hear it")
    return found


def _wish(request: HttpRequest) -> Wish:
    form = request.POST
    return Wish(
        form.getlist("topic"),
        form.get("refs", ""),
        " ".join(form.getlist("environment")),
        form.get("when", "changes") == "changes",
        form.get("digest_at", ""),
        form.get("time_zone", "").strip(),
    )


def _given(request: HttpRequest) -> Mapping[str, Any]:
    """What was typed, so that the form comes back with it."""
    wish = _wish(request)
    return {
        "recipient": request.POST.get("recipient", ""),
        "topics": wish.topics,
        "refs": wish.refs,
        "environments": wish.environments.split(),
        "only_changes": wish.only_changes,
        "digest_at": wish.digest_at,
        "time_zone": wish.time_zone,
    }


def _as_given(one: Rule) -> Mapping[str, Any]:
    return {
        "recipient": str(one.recipient_id),
        "topics": one.topics,
        "refs": " ".join(one.refs),
        "environments": one.environments,
        "only_changes": one.only_changes,
        "digest_at": f"{one.digest_at:%H:%M}" if one.digest_at else "",
        "time_zone": one.time_zone,
    }
