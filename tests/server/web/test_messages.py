"""The pages of a project's messages."""

import pytest
from django.test import Client

from pipelines.notifications import lifecycle
from pipelines.notifications.lifecycle import Wish
from pipelines.notifications.models import Delivery, Recipient, Rule
from pipelines.outbox.models import Message
from pipelines.projects.models import Project
from tests.factories import make_environment, make_project

pytestmark = pytest.mark.django_db
ADA = "ada (#1)"


def _post(client: Client, project: Project, path: str, form: dict[str, object], status: int = 200) -> str:
    answer = client.post(f"/projects/{project}/messages/{path}", form, follow=True)
    assert answer.status_code == status
    return answer.content.decode()


def _get(client: Client, project: Project, path: str = "") -> str:
    return client.get(f"/projects/{project}/messages/{path}").content.decode()


def _hook(project: Project) -> Recipient:
    return lifecycle.add_recipient(project, "webhook", "https://example.org/in/t0ken", "the board", ADA)


def test_an_empty_page_says_the_next_step(maintainer: Client, project: Project) -> None:
    assert "Add a recipient, then a rule" in _get(maintainer, project)


def test_a_maintainer_adds_a_recipient_and_a_rule_and_reads_it_as_a_sentence(
    maintainer: Client, project: Project
) -> None:
    page = _post(maintainer, project, "recipients/", {"kind": "slack", "address": "#shop", "label": ""})
    assert "#shop is there" in page
    (recipient,) = Recipient.objects.all()
    form = {"recipient": recipient.pk, "topic": ["run.failed", "run.succeeded"], "when": "changes", "refs": ""}
    assert "<b>#shop</b> hears when main breaks or is mended." in _post(maintainer, project, "", form)


def test_a_rule_is_changed_and_removed(maintainer: Client, project: Project) -> None:
    make_environment(project, "production")
    rule = lifecycle.add_rule(_hook(project), Wish(["run.failed"]), ADA)
    form = {"recipient": rule.recipient_id, "topic": ["deploy.failed"], "environment": ["production"]}
    page = _post(maintainer, project, f"rules/{rule.pk}/", form)
    assert "hears when a deploy to production fails." in page
    assert "checked" in _get(maintainer, project, f"rules/{rule.pk}/")
    assert "Nobody hears of anything yet" in _post(maintainer, project, f"rules/{rule.pk}/remove/", {})
    assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "mail", "address": "nobody"}, "is no mail address"),
        ({"kind": "pigeon", "address": "x"}, "Say how the recipient is reached"),
        ({"kind": "webhook", "address": "<script>"}, "a full URL"),
    ],
)
def test_what_is_no_recipient_is_refused_with_a_sentence(
    maintainer: Client, project: Project, form: dict[str, object], said: str
) -> None:
    page = _post(maintainer, project, "recipients/", {"label": "", **form}, 400)
    assert said.lower() in page.lower()
    assert "<script>" not in page


def test_a_rule_without_topics_is_refused_and_what_was_written_stays(maintainer: Client, project: Project) -> None:
    page = _post(maintainer, project, "", {"recipient": _hook(project).pk, "refs": "lamp"}, 400)
    assert "Say what is to be heard of." in page
    assert 'value="lamp"' in page


def test_the_recipient_of_another_project_cannot_be_chosen(maintainer: Client, project: Project) -> None:
    other = _hook(make_project("other"))
    _post(maintainer, project, "", {"recipient": other.pk, "topic": ["alarm"]}, 400)
    assert maintainer.get(f"/projects/{project}/messages/recipients/{other.pk}/").status_code == 404


def test_a_credential_in_an_address_is_not_shown_again(maintainer: Client, project: Project) -> None:
    recipient = _hook(project)
    for path in ("", f"recipients/{recipient.pk}/"):
        page = _get(maintainer, project, path)
        assert "https://example.org/…" in page
        assert "t0ken" not in page


def test_a_test_message_is_put_and_deliveries_are_listed(maintainer: Client, project: Project) -> None:
    recipient = _hook(project)
    page = _post(maintainer, project, f"recipients/{recipient.pk}/change/", {"act": "test"})
    assert "is on its way" in page
    message = Message.objects.get(target=recipient.pk)
    Delivery.objects.create(
        message=message, recipient=recipient, body='{"topic":"test"}', http_status=503, took_ms=42, answer="<b>no</b>"
    )
    Message.objects.filter(pk=message.pk).update(given_up_at=message.due_at, error="the webhook answered 503")
    page = _get(maintainer, project, f"recipients/{recipient.pk}/")
    for said in ("503", "42 ms", "&lt;b&gt;no&lt;/b&gt;", "given up", "The webhook answered 503."):
        assert said in page
    assert "A message was given up" in _get(maintainer, project)
    assert "sent again" in _post(maintainer, project, f"recipients/{recipient.pk}/again/", {"message": message.pk})
    assert "waits to be sent anyway" in _post(
        maintainer, project, f"recipients/{recipient.pk}/again/", {"message": message.pk}
    )


def test_a_recipient_is_removed_with_its_rules(maintainer: Client, project: Project) -> None:
    recipient = _hook(project)
    lifecycle.add_rule(recipient, Wish(["alarm"]), ADA)
    assert "hears nothing any more" in _post(
        maintainer, project, f"recipients/{recipient.pk}/change/", {"act": "remove"}
    )
    assert not Rule.objects.exists()


def test_a_new_secret_takes_the_place_of_the_old(maintainer: Client, project: Project) -> None:
    recipient = _hook(project)
    old = recipient.signing_secret
    assert old in _get(maintainer, project, f"recipients/{recipient.pk}/")
    page = _post(maintainer, project, f"recipients/{recipient.pk}/change/", {"act": "renew"})
    assert old not in page


def test_what_settings_say_is_read_there_too(maintainer: Client, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(chat_channel="#old")
    make_environment(project, "production", mail_to="ops@example.org")
    page = _get(maintainer, project)
    assert "<b>#old</b> hears of every run of main that fails" in page
    assert "<b>ops@example.org</b> hears of deploys to production" in page


@pytest.mark.parametrize("count", [1, 8])
def test_the_pages_ask_as_much_for_many_as_for_one(
    maintainer: Client, project: Project, count: int, django_assert_max_num_queries: object
) -> None:
    recipient = _hook(project)
    for _ in range(count):
        lifecycle.add_rule(recipient, Wish(["alarm"]), ADA)
        lifecycle.send_test(recipient, ADA)
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        _get(maintainer, project)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        _get(maintainer, project, f"recipients/{recipient.pk}/")
