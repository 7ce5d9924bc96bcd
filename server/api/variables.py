"""An environment's configuration: plain values, in versions, and secrets, which can be written and never read."""

from datetime import datetime

from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema
from ninja import Status as Answer

from pipelines.deploys import requests, vault
from pipelines.deploys.models import Configuration, Environment
from server import access, fetching
from server.access import Act
from server.api.callers import actor, caller
from server.api.environments import ENVIRONMENT
from server.api.shapes.words import Named, Number, Secret, Value

router = Router(tags=["Environments"])
SECRET = ENVIRONMENT + "/secrets/{name}"


class Variables(Schema):
    """The newest version; it reaches hosts with the next deploy. `secrets` are names, told to owners alone."""

    version: int = Field(description="0: nobody has set any yet")
    made_by: str
    created_at: datetime | None
    values: dict[str, str]
    secrets: list[str] | None


class NewVariables(Schema):
    """All of them: what is left out is gone in the new version. `based_on`: the version that the caller had before."""

    values: dict[Named, Value] = Field(max_length=500, examples=[{"WORKERS": "4"}])
    based_on: Number | None = None


class Kept(Schema):
    name: str
    is_new: bool


@router.get(ENVIRONMENT + "/variables", response=Variables)
def variables(request: HttpRequest, project: str, environment: str) -> Variables:
    """The plain values of an environment, and the names of its secrets."""
    place = fetching.environment(caller(request), project, environment)
    return _told(request, place, place.configurations.order_by("version").last())


@router.put(ENVIRONMENT + "/variables", response=Variables)
def set_variables(request: HttpRequest, project: str, environment: str, given: NewVariables) -> Variables:
    """Make a new version of the plain values."""
    place = fetching.environment(caller(request), project, environment, Act.ADMINISTER)
    values = {str(name): str(value) for name, value in given.values.items()}
    return _told(request, place, requests.change_configuration(place, values, actor(request), based_on=given.based_on))


@router.put(SECRET, response={200: Kept, 201: Kept})
def set_environment_secret(
    request: HttpRequest, project: str, environment: str, name: str, given: Secret
) -> Answer[Kept]:
    """Keep a secret, in place of what was there under its name. Nothing ever gives its value back."""
    place = fetching.environment(caller(request), project, environment, Act.ADMINISTER)
    is_new = vault.put(place, name, given.value, actor(request))
    return Answer(201 if is_new else 200, Kept(name=name, is_new=is_new))


@router.delete(SECRET, response={204: None})
def remove_environment_secret(request: HttpRequest, project: str, environment: str, name: str) -> Answer[None]:
    """Forget a secret; hosts have it until the next deploy."""
    place = fetching.environment(caller(request), project, environment, Act.ADMINISTER)
    if not vault.remove(place, name, actor(request)):
        raise Http404
    return Answer(204, None)


def _told(request: HttpRequest, place: Environment, newest: Configuration | None) -> Variables:
    tells = access.may(caller(request), Act.ADMINISTER, place.project)
    names = list(place.secrets.order_by("name").values_list("name", flat=True)) if tells else None
    return Variables(
        version=newest.version if newest else 0,
        made_by=newest.made_by if newest else "",
        created_at=newest.created_at if newest else None,
        values=newest.values if newest else {},
        secrets=names,
    )
