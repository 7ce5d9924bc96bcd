"""From what happened to who hears of it: a message for each recipient whose rule wants it."""

from collections.abc import Iterable, Iterator

from django.db import transaction

from pipelines.deploys.announcements import addresses
from pipelines.deploys.models import Deploy, Environment
from pipelines.notifications.addresses import mails
from pipelines.notifications.lifecycle import CHANNELS
from pipelines.notifications.matching import OF_RUNS, Happening, wants
from pipelines.notifications.models import Kind, Recipient, Rule, Topic
from pipelines.outbox import queue
from pipelines.outbox.models import Channel, Message
from pipelines.projects.models import Project
from pipelines.states.models import Transition
from server.notifications.errors import Refused
from server.notifications.run_facts import changes, run_of
from server.notifications.topics import topics


@transaction.atomic
def send(message: Message) -> None:
    """Put a message for each recipient into the outbox. Done again after a crash it puts none twice.

    Raises Refused for what is not there any more.
    """
    places = [_place(message, topic) for topic in topics(message)]
    if not places:
        return
    project, happened = places[0]
    heard = _names_of_settings(message, project, happened)
    for recipient in _wanting(project, [one for _, one in places]):
        names = _names(recipient)
        if not names <= heard:
            queue.pass_on(message, CHANNELS[Kind(recipient.kind)], message.topic, recipient.pk)
        heard |= names


def _wanting(project: Project, happened: list[Happening]) -> Iterator[Recipient]:
    """Each once, however many of its rules want it."""
    rules = Rule.objects.filter(project=project).select_related("recipient").order_by("pk")
    wanted = {rule.recipient for rule in rules if any(wants(rule, one) for one in happened)}
    yield from sorted(wanted, key=lambda recipient: recipient.pk)


def _place(message: Message, topic: Topic) -> tuple[Project, Happening]:
    told = message.transition
    if topic in OF_RUNS:
        assert told is not None, "what is said of runs is a transition"
        return _of_run(told, topic)
    environment = _environment(message)
    return environment.project, Happening(topic, environment=environment.name)


def _of_run(told: Transition, topic: Topic) -> tuple[Project, Happening]:
    run = run_of(told)
    is_change = topic == Topic.RUN_ASKS or changes(run, told)
    return run.project, Happening(topic, run.ref, run.project.default_ref, is_change=is_change)


def _environment(message: Message) -> Environment:
    told, notice = message.transition, message.notice
    places = Environment.objects.select_related("project")
    if told is not None:
        place = places.filter(deploys__in=Deploy.objects.filter(pk=told.subject_id)).first()
    else:
        assert notice is not None, "a message is of a transition or a notice"
        place = places.filter(pk=notice.subject_id).first()
    if place is None:
        raise Refused("what it tells of is not there any more")
    return place


def _names(recipient: Recipient) -> set[str]:
    """Whom it stands for: lists of mail addresses may overlap, each is told once."""
    return _folded(mails(recipient.address)) if recipient.kind == Kind.MAIL else {recipient.address}


def _names_of_settings(message: Message, project: Project, happened: Happening) -> set[str]:
    """Who hears of it anyway, since the project's or environment's own settings name them: nobody is told twice."""
    beside = Message.objects.filter(transition=message.transition, notice=message.notice, target=0)
    channels = set(beside.values_list("channel", flat=True))
    heard = {project.chat_channel} if Channel.CHAT in channels else set()
    if Channel.MAIL in channels and happened.environment:
        place = project.environments.filter(name=happened.environment).first()
        heard |= _folded(addresses(place.mail_to)) if place else set()
    return heard


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}
