"""Secrets at rest."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import connection
from pytest_django import Settings

from pipelines.deploys.models import Credential, EnvironmentSecret
from pipelines.projects.models import Project, Secret
from pipelines.projects.secrets import UnreadableSecret, decrypt, encrypt
from tests.factories import make_environment, make_project, make_secret

pytestmark = pytest.mark.django_db
PLAIN = "correct-horse-battery-staple"


def _stored() -> str:
    """Every text of every table that holds secrets, as raw SQL gives it."""
    columns = [
        ("projects_secret", "value"),
        ("projects_project", "webhook_secret"),
        ("projects_project", "code_host_token"),
        ("projects_project", "deploy_key"),
        ("deploys_credential", "private_key"),
        ("deploys_environmentsecret", "value"),
        ("deploys_environment", "inventory_secret"),
    ]
    with connection.cursor() as cursor:
        found = []
        for table, column in columns:
            cursor.execute(f"SELECT {column} FROM {table}")
            found += [str(row[0]) for row in cursor.fetchall()]
    return "\n".join(found)


def test_no_secret_lies_in_the_database_as_plain_text() -> None:
    project = make_project(webhook_secret=PLAIN + "1", code_host_token=PLAIN + "2", deploy_key=PLAIN + "7")
    secret = make_secret(project, value=PLAIN + "3")
    environment = make_environment(project, inventory_secret=PLAIN + "4")
    EnvironmentSecret.objects.create(environment=environment, name="DB", value=PLAIN + "5")
    Credential.objects.create(name="deploy-key", private_key=PLAIN + "6")
    assert PLAIN not in _stored()
    project.refresh_from_db()
    secret.refresh_from_db()
    assert (project.webhook_secret, project.code_host_token, secret.value) == (PLAIN + "1", PLAIN + "2", PLAIN + "3")
    assert EnvironmentSecret.objects.get().value == PLAIN + "5"
    assert Credential.objects.get(name="deploy-key").private_key == PLAIN + "6"


def test_a_secret_that_is_changed_by_update_is_encrypted_too() -> None:
    secret = make_secret(make_project())
    Secret.objects.filter(pk=secret.pk).update(value=PLAIN)
    assert PLAIN not in _stored()
    assert Secret.objects.get(pk=secret.pk).value == PLAIN


def test_the_same_value_never_looks_the_same_twice() -> None:
    assert encrypt(PLAIN) != encrypt(PLAIN)


def test_an_empty_value_stays_empty() -> None:
    assert encrypt("") == ""
    assert decrypt("") == ""


def test_every_project_gets_a_webhook_secret_of_its_own() -> None:
    secrets = {make_project().webhook_secret for _ in range(3)}
    assert len(secrets) == 3
    assert all(len(secret) >= 32 for secret in secrets)


def test_after_a_rotation_old_values_are_read_and_new_ones_written_with_the_new_key(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.SLIPWAY_ENCRYPTION_KEYS = [old]
    kept = make_secret(make_project(), value=PLAIN)
    settings.SLIPWAY_ENCRYPTION_KEYS = [new, old]
    assert Secret.objects.get(pk=kept.pk).value == PLAIN
    rewritten = Secret.objects.get(pk=kept.pk)
    rewritten.save()
    settings.SLIPWAY_ENCRYPTION_KEYS = [new]
    assert Secret.objects.get(pk=kept.pk).value == PLAIN


def test_a_value_whose_key_is_gone_says_what_to_do(settings: Settings) -> None:
    stored = encrypt(PLAIN)
    settings.SLIPWAY_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(UnreadableSecret, match="bring back the key file"):
        decrypt(stored)


@pytest.mark.parametrize("value", ["", "short", "seven77"])
def test_a_value_too_short_to_be_masked_is_refused(value: str) -> None:
    secret = Secret(project=make_project(), name="TOKEN", value=value)
    with pytest.raises(ValidationError, match="value"):
        secret.full_clean()


def test_length_counts_in_bytes_because_masking_does() -> None:
    Secret(project=make_project(), name="TOKEN", value="äöüß").full_clean()


@pytest.mark.parametrize("name", ["1ST", "WITH-DASH", "WITH SPACE", "A\nB", "", "Ä"])
def test_a_name_that_no_shell_takes_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        Secret(project=make_project(), name=name, value=PLAIN).full_clean()


def test_the_secret_is_not_in_its_text() -> None:
    secret = make_secret(make_project(), value=PLAIN)
    assert PLAIN not in f"{secret} {secret!r} {Project.objects.get(pk=secret.project_id)!r}"
