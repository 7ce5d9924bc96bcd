"""Django's admin: everything is there, secrets never come back out, every change is in the audit."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from pipelines.audit.models import Act
from pipelines.audit.record import record
from pipelines.deploys.models import Credential, Environment, EnvironmentSecret
from pipelines.deploys.requests import latest_configuration
from pipelines.projects import pipelines
from pipelines.projects.models import Project, Secret
from pipelines.runs import lifecycle
from pipelines.runs.models import Approval, EventKind, Identity, Template
from server.admin import inventories, settings_lines
from server.admin.settings_lines import BadLine
from tests.factories import (
    configure,
    make_credential,
    make_deploy,
    make_environment,
    make_event,
    make_host_key,
    make_live,
    make_person,
    make_project,
    make_run,
    make_secret,
    start_stage,
)

pytestmark = pytest.mark.django_db
MODELS = [model for model in apps.get_models() if model.__module__.startswith("pipelines.")]
RECORDS = ("runs_run", "runs_approval", "projects_specversion", "deploys_deploy", "states_transition")
LEDGERS = ("audit_act", "logs_log")


def fields(client: Client, address: str) -> dict[str, Any]:
    """What a browser would send back of a form that nobody touched."""
    form = client.get(address).context["adminform"].form
    formsets = [inline.formset for inline in client.get(address).context["inline_admin_formsets"]]
    data = {f"{form.add_prefix(name)}": form[name].value() for name in form.fields}
    for formset in formsets:
        data |= {f"{formset.prefix}-{name}": value for name, value in formset.management_form.initial.items()}
        for part in formset.initial_forms:
            data |= {part.add_prefix(name): part[name].value() for name in part.fields if name != "DELETE"}
    secret = ("webhook_secret", "code_host_token", "inventory_secret", "private_key", "value")
    kept = {name: value for name, value in data.items() if name.rpartition("-")[2] not in secret}
    return {name: "" if value is None else value for name, value in kept.items() if value is not False}


def change(client: Client, row: Any, **changes: Any) -> None:
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    response = client.post(address, {**fields(client, address), **changes})
    assert response.status_code == 302, response.context["errors"]
    row.refresh_from_db()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_every_model_is_registered_and_listed(model: Any, operator: Client) -> None:
    assert admin.site.is_registered(model)
    environment = make_environment()
    make_live(environment)
    make_deploy(environment)
    make_host_key(environment)
    make_secret(environment.project)
    listed = operator.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), {"q": "1"})
    assert listed.status_code == 200


def test_nobody_but_operators_gets_in_whatever_django_s_permissions_say(project: Project) -> None:
    staff = make_person()
    staff.is_staff = True
    staff.save()
    client = Client()
    client.force_login(staff)
    assert client.get(reverse("admin:projects_project_changelist")).status_code == 403
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 403


@pytest.mark.parametrize("name", [*RECORDS, *LEDGERS])
def test_records_cannot_be_added_changed_or_deleted(name: str, operator: Client) -> None:
    make_deploy(make_environment())
    record("ada (#1)", "looked", "around")
    run = make_run(make_project())
    Approval.objects.create(run=run, actor="ada (#1)", sha=run.sha)
    pipelines.keep(run.project, "image: busybox\nstages: {a: {steps: [make]}}\n", "ada (#1)")
    model = apps.get_model(name.replace("_", "."))
    pk = model._default_manager.latest("pk").pk
    assert operator.get(reverse(f"admin:{name}_add")).status_code == 403
    assert operator.post(reverse(f"admin:{name}_change", args=[pk]), {}).status_code == 403
    assert operator.post(reverse(f"admin:{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_a_stored_secret_is_never_shown(operator: Client) -> None:
    project = make_project(code_host_token="ghp_token_value", webhook_secret="hook-secret-value")
    secret = make_secret(project, value="stage-secret-value")
    environment = make_environment(project, inventory_secret="AKIA:cloud-secret-value")
    attempt = start_stage(make_run(project))
    lifecycle.note_secrets(attempt, {"TOKEN": "stage-secret-value"})
    Credential.objects.update(private_key="private-key-value")
    EnvironmentSecret.objects.create(environment=environment, name="DB", value="host-secret-value")
    for row in (project, secret, environment, Credential.objects.get(), attempt):
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        text = operator.get(address).content.decode()
        for value in ("ghp_token", "hook-secret", "stage-secret", "cloud-secret", "private-key-v", "host-secret"):
            assert value not in text, (row, value)


def test_saving_with_empty_secrets_keeps_them(operator: Client) -> None:
    project = make_project(code_host_token="ghp_token_value", webhook_secret="hook-secret-value")
    secret = make_secret(project, value="stage-secret-value")
    change(operator, project, default_branch="trunk")
    secret.refresh_from_db()
    assert project.default_branch == "trunk"
    assert (project.code_host_token, project.webhook_secret) == ("ghp_token_value", "hook-secret-value")
    assert secret.value == "stage-secret-value"


def test_a_change_is_audited_with_the_names_of_the_fields_and_no_value(operator: Client) -> None:
    project = make_project()
    change(operator, project, default_branch="trunk", code_host_token="ghp_brand_new")
    act = Act.objects.get(verb="changed")
    assert act.facts["fields"] == ["Code host token", "Default branch"]
    assert "ghp_brand_new" not in str(act.facts)
    assert project.name in act.subject


def test_a_changed_secret_is_audited_and_stored(operator: Client) -> None:
    secret = make_secret(make_project(), value="stage-secret-value")
    change(operator, secret, value="another-secret-value")
    assert secret.value == "another-secret-value"
    assert Act.objects.get(verb="changed").facts["fields"] == ["Value"]


def test_a_secret_of_many_lines_keeps_its_line_ends_as_they_were_pasted(operator: Client) -> None:
    secret = make_secret(make_project(), value="stage-secret-value")
    change(operator, secret, value="-----BEGIN KEY-----\r\nabcdefgh\r\n-----END KEY-----\r\n")
    assert secret.value == "-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----\n"


def test_a_secret_too_short_to_mask_is_refused(operator: Client, project: Project) -> None:
    form = {"project": project.pk, "name": "PIN", "value": "1234"}
    text = operator.post(reverse("admin:projects_secret_add"), form).content.decode()
    assert "cannot be masked" in text
    assert not Secret.objects.exists()


def test_a_deletion_is_audited(operator: Client, project: Project) -> None:
    operator.post(reverse("admin:projects_project_delete", args=[project.pk]), {"post": "yes"})
    assert Act.objects.get(verb="deleted").subject == f"project {project.name}"


@pytest.mark.parametrize(("which", "said"), [("project", "runs of"), ("environment", "deploys to")])
def test_what_has_a_history_is_not_deleted_and_the_reason_is_said(operator: Client, which: str, said: str) -> None:
    environment = make_environment()
    make_live(environment)
    make_live(environment)
    row: Any = environment if which == "environment" else environment.project
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}"
    address = reverse(f"{name}_delete", args=[row.pk])
    for response in (operator.get(address, follow=True), operator.post(address, {"post": "yes"}, follow=True)):
        text = response.content.decode()
        assert f"The record of the {said} {row} is kept, so it cannot be deleted. To retire it" in text
    assert "delete_selected" not in operator.get(reverse(f"{name}_changelist")).content.decode()
    row.refresh_from_db()
    assert not Act.objects.filter(verb="deleted").exists()


def test_what_was_never_used_is_deleted_with_all_that_was_set_up_for_it(operator: Client) -> None:
    environment = make_environment()
    configure(environment, {"A": "1"})
    make_host_key(environment)
    make_event(environment.project, kind=EventKind.PING)
    for row in (environment, environment.project):
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}"
        operator.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"})
        assert not type(row)._default_manager.filter(pk=row.pk).exists()


def _add_project(operator: Client, clone_url: str) -> Project:
    inlines = {f"{name}-{key}": 0 for name in ("members", "secrets") for key in ("TOTAL_FORMS", "INITIAL_FORMS")}
    form = {"name": "new", "clone_url": clone_url, "default_branch": "main", "spec_path": ".slipway.yml"}
    operator.post(reverse("admin:projects_project_add"), {**form, **inlines, "clone_depth": 50})
    return Project.objects.get(name="new")


def test_a_new_project_gets_a_webhook_secret(operator: Client) -> None:
    assert len(_add_project(operator, "/srv/x").webhook_secret) > 30


def test_a_project_cloned_over_ssh_shows_the_public_part_of_its_key_and_never_the_private(operator: Client) -> None:
    project = _add_project(operator, "git@example.org:owner/new.git")
    page = operator.get(reverse("admin:projects_project_change", args=[project.pk])).content.decode()
    assert project.deploy_key_line in page
    assert project.deploy_key.splitlines()[2] not in page
    assert "PRIVATE KEY" not in page


def test_the_configuration_is_edited_as_lines_and_each_change_is_a_version(operator: Client) -> None:
    environment = make_environment()
    configure(environment, {"A": "1"})
    version = latest_configuration(environment).version
    change(operator, environment, configuration="A=1\n")
    assert latest_configuration(environment).version == version
    change(operator, environment, configuration="A=2\n# a remark\n\nB=x=y")
    assert latest_configuration(environment).version == version + 1
    assert latest_configuration(environment).values == {"A": "2", "B": "x=y"}
    assert latest_configuration(environment).made_by.startswith("operator")


@pytest.mark.parametrize("text", ["A", "1A=2", "A=1\nA=2", "=x"])
def test_a_line_that_is_no_setting_is_named(text: str) -> None:
    with pytest.raises(BadLine, match=r"Line \d"):
        settings_lines.read(text)


@pytest.mark.parametrize(
    ("kind", "inventory", "said"),
    [
        ("static", [], "mapping"),
        ("static", {}, "at least one host"),
        ("static", {"hosts": [{"name": "a"}]}, "Host 1 needs an address"),
        ("static", {"hosts": ["a", "a"]}, "Two hosts are called a"),
        ("static", {"hosts": [{"address": "a", "adress": "b"}]}, "“adress”"),
        ("aws", {"tags": {"env": "prod"}}, "region"),
        ("aws", {"region": "eu-west-1"}, "every machine would match"),
        ("aws", {"region": "eu-west-1", "tags": {"a": "b"}, "address": "ipv9"}, "private"),
    ],
)
def test_a_wrong_inventory_is_explained(kind: str, inventory: Any, said: str) -> None:
    assert any(said in problem for problem in inventories.problems(kind, inventory))


@pytest.mark.parametrize(
    ("kind", "inventory"),
    [
        ("static", {"hosts": ["10.0.0.1", {"name": "b", "address": "10.0.0.2", "port": 2222}]}),
        ("aws", {"region": "eu-west-1", "tags": {"env": "prod"}, "address": "public"}),
    ],
)
def test_a_right_inventory_passes(kind: str, inventory: Any) -> None:
    assert inventories.problems(kind, inventory) == []


def test_a_wrong_inventory_is_refused_on_the_form(operator: Client) -> None:
    environment = make_environment()
    address = reverse("admin:deploys_environment_change", args=[environment.pk])
    wrong = {"inventory": '{"hosts": []}', "ref_pattern": "main"}
    text = operator.post(address, {**fields(operator, address), **wrong}).content.decode()
    assert "A fixed list needs at least one host" in text
    assert "A full ref begins with refs/" in text


def test_a_credential_without_a_key_gets_one_made(operator: Client) -> None:
    operator.post(reverse("admin:deploys_credential_add"), {"name": "web", "private_key": ""})
    made = Credential.objects.get()
    assert "BEGIN OPENSSH PRIVATE KEY" in made.private_key
    assert made.public_key.startswith("ssh-ed25519 ")


def test_a_credential_that_is_no_key_is_refused(operator: Client) -> None:
    response = operator.post(reverse("admin:deploys_credential_add"), {"name": "web", "private_key": "hello"})
    assert "not a private key" in response.content.decode()


def test_operators_say_whose_account_at_the_code_host_is_whose(operator: Client) -> None:
    person = make_person()
    operator.post(reverse("admin:runs_identity_add"), {"user": person.pk, "code_host_id": 583231})
    assert Identity.objects.get(user=person).code_host_id == 583231
    assert Act.objects.get(verb="added").subject.startswith("identity ")


def test_operators_say_which_projects_everybody_may_include(operator: Client, project: Project) -> None:
    operator.post(reverse("admin:runs_template_add"), {"project": project.pk})
    assert Template.objects.get().project == project
    operator.post(reverse("admin:runs_template_delete", args=[Template.objects.get().pk]), {"post": "yes"})
    assert not Template.objects.exists()


def test_making_somebody_an_operator_is_in_the_audit(operator: Client) -> None:
    person = make_person()
    address = reverse("admin:auth_user_change", args=[person.pk])
    form = {**fields(operator, address), "is_superuser": "on"}
    assert operator.post(address, form).status_code == 302
    assert User.objects.get(pk=person.pk).is_superuser
    assert Act.objects.get(verb="changed").facts["fields"] == ["Superuser status"]


def test_the_admin_opens_to_operators_and_closes_to_who_is_none_any_more(operator: Client) -> None:
    person = make_person()
    theirs = Client()
    theirs.force_login(person)
    change(operator, person, is_superuser="on")
    assert theirs.get(reverse("admin:index")).status_code == 200
    address = reverse("admin:auth_user_change", args=[person.pk])
    form = {name: value for name, value in fields(operator, address).items() if name != "is_superuser"}
    assert operator.post(address, form).status_code == 302
    for page in ("admin:index", "admin:django_rq_home"):
        assert theirs.get(reverse(page)).status_code == 302


def test_a_team_is_made_and_audited(operator: Client) -> None:
    operator.post(reverse("admin:auth_group_add"), {"name": "web people"})
    assert Group.objects.get().name == "web people"
    assert Act.objects.get(verb="added").subject == "group web people"


def test_an_environment_keeps_what_the_form_does_not_know(operator: Client) -> None:
    environment = make_environment()
    make_live(environment)
    environment.refresh_from_db()
    before = (environment.current, environment.fence)
    change(operator, environment, at_once="3")
    assert isinstance(environment, Environment)
    assert (environment.current, environment.fence) == before
    assert make_credential().public_key
