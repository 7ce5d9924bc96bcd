"""A project's secrets: which there are, and changing them. Their values are never told."""

from datetime import datetime

from django.http import Http404, HttpRequest
from ninja import Router, Schema
from ninja import Status as Answer

from pipelines.projects import vault
from server import fetching
from server.access import Act
from server.api import description
from server.api.callers import actor, caller
from server.api.paging import Page
from server.api.shapes.words import Secret

router = Router(tags=["Secrets"])
SECRETS = "/projects/{slug:project}/secrets"


class SecretShape(Schema):
    name: str
    changed_at: datetime


@router.get(SECRETS, response=Page[SecretShape], openapi_extra=description.forbidden())
def secrets(request: HttpRequest, project: str) -> Page[SecretShape]:
    """The names of a project's secrets, in one portion."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    rows = found.secrets.defer("value").order_by("name")
    return Page(items=[SecretShape(name=row.name, changed_at=row.changed_at) for row in rows])


@router.put(SECRETS + "/{name}", response={200: SecretShape, 201: SecretShape})
def set_secret(request: HttpRequest, project: str, name: str, given: Secret) -> Answer[SecretShape]:
    """Keep a secret, in place of what was there under its name. Nothing ever gives its value back."""
    found = fetching.project(caller(request), project, Act.ADMINISTER)
    is_new = vault.put(found, name, given.value, actor(request))
    kept = found.secrets.defer("value").get(name=name)
    return Answer(201 if is_new else 200, SecretShape(name=kept.name, changed_at=kept.changed_at))


@router.delete(SECRETS + "/{name}", response={204: None})
def remove_secret(request: HttpRequest, project: str, name: str) -> Answer[None]:
    """Forget a secret."""
    if not vault.remove(fetching.project(caller(request), project, Act.ADMINISTER), name, actor(request)):
        raise Http404
    return Answer(204, None)
