"""Secrets are put, replaced and removed; the audit knows who, and nobody what."""

import json

import pytest

from pipelines.audit.models import Act
from pipelines.projects import vault
from pipelines.projects.models import Secret
from pipelines.projects.vault import BadSecret
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def test_a_secret_is_put_and_replaced_and_the_audit_never_has_its_value() -> None:
    project = make_project()
    assert vault.put(project, "TOKEN", "a value nobody sees", "ana (#1)")
    assert not vault.put(project, "TOKEN", "another value\r\nof two lines", "bob (#2)")
    assert Secret.objects.get(project=project).value == "another value\nof two lines"
    acts = list(Act.objects.filter(subject=f"secret TOKEN of {project}").order_by("pk"))
    assert [(act.actor, act.verb) for act in acts] == [("ana (#1)", "added"), ("bob (#2)", "changed")]
    assert "value " not in json.dumps([act.facts for act in acts])
    assert vault.last_changes(project.secrets.all())["TOKEN"] == vault.Change("bob (#2)", "changed")


def test_a_secret_is_removed_once() -> None:
    project = make_project()
    vault.put(project, "TOKEN", "a value nobody sees", "ana (#1)")
    assert vault.remove(project, "TOKEN", "ana (#1)")
    assert not vault.remove(project, "TOKEN", "ana (#1)")
    assert not project.secrets.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("1TOKEN", "long enough"), ("TOKEN", "short"), ("", "long enough"), ("A", "")]
)
def test_what_cannot_be_a_secret_is_refused_with_a_reason(name: str, value: str) -> None:
    project = make_project()
    with pytest.raises(BadSecret):
        vault.put(project, name, value, "ana (#1)")
    assert not project.secrets.exists()
