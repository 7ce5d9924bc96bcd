"""Artifacts as downloads."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, StreamingHttpResponse

from server.downloads import artifacts


@login_required
def download(request: HttpRequest, artifact_id: int) -> StreamingHttpResponse:
    return artifacts.of(request, request.user, artifact_id)
