"""What holds for all records at once."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.models import Field, ForeignKey, Model

from pipelines.projects.secrets import EncryptedTextField
from pipelines.states.models import Leased, Stateful
from pipelines.states.status import FINAL, Status

OURS = [model for model in apps.get_models() if model.__module__.startswith("pipelines.")]
SECRET_WORDS = ("secret", "token", "password", "private_key")

each_model = pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@each_model
def test_a_record_says_in_words_what_it_is(model: type[Model]) -> None:
    assert "__str__" in vars(model)
    assert model.__doc__
    assert not model.__doc__.startswith(f"{model.__name__}(")


@each_model
def test_what_is_called_a_secret_is_stored_encrypted(model: type[Model]) -> None:
    plain = [
        field.name
        for field in model._meta.get_fields()
        if isinstance(field, Field)
        and any(word in field.name for word in SECRET_WORDS)
        and not isinstance(field, EncryptedTextField | ForeignKey)
    ]
    assert not plain


@pytest.mark.parametrize("model", [one for one in OURS if issubclass(one, Stateful)], ids=lambda model: model.__name__)
def test_a_record_with_a_status_has_a_machine_that_starts_where_its_default_says(model: type[Stateful]) -> None:
    assert set(model.machine.moves) <= set(Status) - FINAL
    if issubclass(model, Leased):
        assert Status.RUNNING in model.machine.moves
