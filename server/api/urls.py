"""The addresses of the API."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from server.api import problems
from server.api.door import api


@csrf_exempt  # nothing is done there
def nothing(request: HttpRequest) -> HttpResponse:
    """An address that there is none of: said as the API says everything."""
    return problems.answer(404, "the API has no such address: see /api/v1/openapi.json")


urlpatterns = [path("", nothing), path("", api.urls), re_path("", nothing)]
