"""The pages of a project's messages in a real browser: they fit, nothing is refused, nobody is shut out."""

import os
from pathlib import Path

from pipelines.notifications import lifecycle
from pipelines.notifications.lifecycle import Wish
from pipelines.notifications.models import Delivery
from pipelines.outbox.models import Message
from tests.browser.conftest import Visit
from tests.browser.test_pages import look
from tests.factories import make_environment, make_operator, make_project

_PICTURES = os.environ.get("SLIPWAY_TEST_PICTURES", "")  # a folder; the pages are painted into it
_ANA = "ana (#3)"


def test_the_pages_of_messages_fit_their_windows_and_shut_nobody_out(visitor_of: Visit) -> None:
    project = make_project("ledger", chat_channel="#ledger")
    make_environment(project, "production", mail_to="ops@example.org")
    make_environment(project, "staging")
    shop = lifecycle.add_recipient(project, "slack", "#shop", "", _ANA)
    lifecycle.add_recipient(project, "mail", "ada@example.org, bob@example.org", "the people on call", _ANA)
    board = lifecycle.add_recipient(project, "webhook", "https://board.example.org/in/t0ken", "the board", _ANA)
    rule = lifecycle.add_rule(shop, Wish(["run.failed", "run.succeeded", "run.asks"], refs="main release/*"), _ANA)
    lifecycle.add_rule(shop, Wish(["digest"], digest_at="09:00", time_zone="Europe/Berlin"), _ANA)
    lifecycle.add_rule(board, Wish(["deploy.begun", "deploy.failed", "drift"], environments="production"), _ANA)
    for status, answer, error in ((200, '{"ok":true}', ""), (503, "try later", "the webhook answered 503")):
        lifecycle.send_test(board, _ANA)
        message = Message.objects.filter(target=board.pk).latest("pk")
        body = '{"id":"slipway-1","topic":"test","project":"ledger"}'
        Delivery.objects.create(
            message=message, recipient=board, body=body, http_status=status, took_ms=41, answer=answer
        )
        ended = "sent_at" if status == 200 else "given_up_at"
        Message.objects.filter(pk=message.pk).update(**{ended: message.due_at, "error": error, "attempts": 1})
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(make_operator())
    base = f"/projects/{project}/messages/"
    paths = {
        "messages": base,
        "messages-rule": f"{base}rules/{rule.pk}/",
        "messages-recipient": f"{base}recipients/{board.pk}/",
    }
    found = [wrong for path in paths.values() for wrong in look(visitor, path)]
    for name, path in paths.items() if _PICTURES else ():
        visitor.open(path)
        visitor.page.screenshot(path=Path(_PICTURES) / f"{name}.png", full_page=True)
    assert not found, "\n".join(found)
