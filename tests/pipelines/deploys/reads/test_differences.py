"""How two deploys' configurations differ, without any secret's value."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pipelines.audit.record import record
from pipelines.deploys.models import Deploy, Environment, EnvironmentSecret
from pipelines.deploys.reads import differences
from tests.factories import configure, make_deploy, make_environment, make_live

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment() -> Environment:
    return make_environment()


def _live(environment: Environment, minutes_ago: int) -> Deploy:
    """A deploy that began so long ago."""
    deploy = make_live(environment)
    began = timezone.now() - timedelta(minutes=minutes_ago)
    Deploy.objects.filter(pk=deploy.pk).update(started_at=began)
    return environment.deploys.select_related("configuration", "environment__project").get(pk=deploy.pk)


def test_plain_values_are_shown_before_and_after_in_either_order(environment: Environment) -> None:
    configure(environment, {"COLOUR": "red", "SIZE": "5", "SAME": "1"})
    first = _live(environment, 20)
    configure(environment, {"COLOUR": "blue", "SAME": "1", "NEW": "yes"})
    second = _live(environment, 10)
    for found in (differences.between(first, second), differences.between(second, first)):
        assert [(change.name, change.old, change.new) for change in found.changes] == [
            ("COLOUR", "red", "blue"),
            ("NEW", None, "yes"),
            ("SIZE", "5", None),
        ]
        assert (found.old.version, found.new.version) == (2, 3)


def test_of_secrets_only_the_names_of_the_changed_are_told(environment: Environment) -> None:
    old = EnvironmentSecret.objects.create(environment=environment, name="OLD", value="unchanged-value-1")
    EnvironmentSecret.objects.filter(pk=old.pk).update(changed_at=timezone.now() - timedelta(hours=1))
    first = _live(environment, 20)
    EnvironmentSecret.objects.create(environment=environment, name="DB", value="brand-new-value-1")
    second = _live(environment, 0)
    found = differences.between(first, second)
    assert list(found.secrets) == ["DB"]
    assert "brand-new-value" not in repr(found)


def test_a_secret_that_is_gone_is_told_by_the_audit(environment: Environment) -> None:
    first = _live(environment, 20)
    record("ada (#1)", "deleted", f"environment secret TOKEN of {environment}", fields=[])
    fields = [f"environment secret MAIL of {environment}: Value", "environment secret X of another place: Value", "Url"]
    record("ada (#1)", "changed", f"environment {environment}", fields=fields)
    assert list(differences.between(first, _live(environment, 0)).secrets) == ["MAIL", "TOKEN"]


def test_what_was_changed_after_both_is_not_between_them(environment: Environment) -> None:
    first, second = _live(environment, 20), _live(environment, 10)
    EnvironmentSecret.objects.create(environment=environment, name="DB", value="brand-new-value-1")
    assert list(differences.between(first, second).secrets) == []


def test_a_deploy_that_still_waits_would_take_the_secrets_of_now(environment: Environment) -> None:
    first = _live(environment, 10)
    EnvironmentSecret.objects.create(environment=environment, name="DB", value="brand-new-value-1")
    waiting = make_deploy(environment)
    assert list(differences.between(first, waiting).secrets) == ["DB"]
