"""Artifacts as files to save."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import PurePath

from django.core.files.storage import default_storage
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404

from pipelines.runs.models import Artifact
from server import access
from server.access import Act, Person
from server.downloads.streams import streamed

PIECE = 256 * 1024  # bytes read at a time


def of(request: HttpRequest, person: Person, artifact_id: int) -> StreamingHttpResponse:
    """Always a file to save, never a page to show: what a build made is not trusted."""
    stored = Artifact.objects.filter(expired_at=None).exclude(storage_name="")  # an image lies in a registry
    artifact = get_object_or_404(stored.select_related("attempt__stage__run__project"), pk=artifact_id)
    access.require(person, Act.VIEW, artifact.attempt.stage.run.project)
    answer = streamed(request, _pieces(artifact), "application/octet-stream")
    answer["Content-Length"] = str(artifact.size)
    answer["Content-Disposition"] = f'attachment; filename="{_filename(artifact)}"'
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def _pieces(artifact: Artifact) -> Iterator[bytes]:
    with default_storage.open(artifact.storage_name) as stored:
        yield from iter(partial(stored.read, PIECE), b"")


def _filename(artifact: Artifact) -> str:
    """shop-12-dist.tar.gz: the project, the run, the path in letters that every file system takes, the stored kind."""
    run = artifact.attempt.stage.run
    path = re.sub(r"[^A-Za-z0-9._-]+", "-", artifact.path).strip("-.") or "files"
    return f"{run.project.name}-{run.number}-{path}{''.join(PurePath(artifact.storage_name).suffixes) or '.tar'}"
