"""The page that a project's pipeline is edited on: checked while typing, drawn as it will run, every edit a version."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

from pipelines.errors import LostRace, UserError
from pipelines.projects import pipelines
from pipelines.projects.models import Project, SpecSource, SpecVersion
from pipelines.spec.conditions import Circumstances
from pipelines.spec.errors import MAX_PROBLEMS, SpecError
from pipelines.spec.model import PipelineSpec
from pipelines.spec.parser import parse
from pipelines.spec.planning import PlannedStage, planned
from pipelines.spec.schema import json_schema
from pipelines.states.status import Status
from server import access
from server.access import Act
from server.web import fetching, permissions
from server.web.drawings import graph as graphs

STARTER = """\
# Every key: see the reference.
image: debian:12

stages:
  test:
    steps:
      - echo "replace me with your tests"
"""


@login_required
def editor(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project)
    newest = pipelines.current(found)
    return _page(request, found, newest.text if newest else STARTER, newest)


@login_required
@require_POST
def save(request: HttpRequest, project: str) -> HttpResponse:
    """What was typed is given back when it cannot be saved, with the reason."""
    found = fetching.project(request, project, Act.EDIT_PIPELINE)
    text, message = _text(request), request.POST.get("message", "").strip()
    based_on = fetching.whole_number(request.POST.get("based_on")) or 0
    try:
        saved = pipelines.keep(found, text, access.actor(request.user), message, based_on=based_on)
    except SpecError as error:
        return _page(request, found, text, pipelines.current(found), _problems(error), based_on)
    except LostRace as error:
        messages.error(request, f"Not saved: {error}.")
        return _page(request, found, text, pipelines.current(found), based_on=based_on)
    messages.success(request, f"Saved as version {saved.number}. The next run takes it.")
    return redirect("pipeline", project)


@login_required
@require_POST
def restore(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project, Act.EDIT_PIPELINE)
    number, based_on = (fetching.whole_number(request.POST.get(name)) or 0 for name in ("number", "based_on"))
    try:
        saved = pipelines.restore(found, number, access.actor(request.user), based_on=based_on)
    except SpecVersion.DoesNotExist as error:
        raise Http404 from error
    except LostRace as error:
        messages.error(request, f"Not brought back: {error}.")
    else:
        messages.success(request, f"Version {number} is back, as version {saved.number}.")
    return redirect("pipeline", project)


@login_required
@require_POST
def leave(request: HttpRequest, project: str) -> HttpResponse:
    found = fetching.project(request, project, Act.EDIT_PIPELINE)
    pipelines.leave(found, access.actor(request.user))
    messages.success(request, f"Runs take {found.spec_path} of the repository again.")
    return redirect("pipeline", project)


@login_required
def version(request: HttpRequest, project: str, number: int) -> HttpResponse:
    """One version, compared with the one before it."""
    found = fetching.project(request, project)
    kept = {one.number: one for one in found.spec_versions.filter(number__in=(number - 1, number))}
    if number not in kept:
        raise Http404
    before = kept[number - 1].text if number - 1 in kept else ""
    newest = pipelines.current(found)
    page = {
        "project": found,
        "version": kept[number],
        "lines": pipelines.compare(before, kept[number].text),
        "newest": newest.number if newest else 0,
        "not_allowed": permissions.of(request.user, found),
    }
    return render(request, "pipeline_version.html", page)


@login_required
@require_POST
def check(request: HttpRequest, project: str) -> JsonResponse:
    """What is wrong with a text, or how its stages would run for an event; while it is typed."""
    found = fetching.project(request, project)
    try:
        spec = parse(_text(request), path=found.spec_path)
    except SpecError as error:
        return JsonResponse({"problems": _problems(error)})
    return JsonResponse({"problems": [], **_preview(found, spec, request.POST.get("for", ""))})


def schema(request: HttpRequest) -> JsonResponse:
    """For editors, which are not signed in: `# yaml-language-server: $schema=…`. Nothing in it is anybody's."""
    return JsonResponse(json_schema())


def _page(
    request: HttpRequest,
    project: Project,
    text: str,
    newest: SpecVersion | None,
    problems: Sequence[Mapping[str, Any]] = (),
    based_on: int | None = None,
) -> HttpResponse:
    page = {
        "project": project,
        "text": text,
        "newest": newest,
        "based_on": based_on if based_on is not None else newest.number if newest else 0,
        "next": (newest.number if newest else 0) + 1,
        "versions": project.spec_versions.defer("text").order_by("-number")[:20],
        "on_server": project.spec_source == SpecSource.SERVER,
        "problems": problems,
        "occasions": _occasions(project),
        "not_allowed": permissions.of(request.user, project),
    }
    return render(request, "pipeline.html", page, status=400 if problems else 200)


def _text(request: HttpRequest) -> str:
    """As the file would be: forms send lines that end with CR LF."""
    return request.POST.get("text", "").replace("\r\n", "\n")


def _problems(error: SpecError) -> list[dict[str, Any]]:
    return [asdict(problem) for problem in error.problems[:MAX_PROBLEMS]]


def _occasions(project: Project) -> dict[str, tuple[str, Circumstances]]:
    """What the preview can be asked for: name → words and circumstances."""
    branch = project.default_ref
    return {
        "push": (f"push to {project.default_branch}", Circumstances("push", branch)),
        "other": ("push to another branch", Circumstances("push", "refs/heads/another")),
        "pull": ("pull request", Circumstances("pull_request", "refs/pull/1/head", target=branch)),
        "tag": ("tag v1.0.0", Circumstances("tag", "refs/tags/v1.0.0")),
        "manual": ("start by hand", Circumstances("manual", branch)),
        "schedule": ("schedule", Circumstances("schedule", branch)),
    }


def _preview(project: Project, spec: PipelineSpec, wanted: str) -> dict[str, Any]:
    occasions = _occasions(project)
    words, circumstances = occasions.get(wanted, occasions["push"])
    try:
        stages = planned(spec, _filled_in(spec, circumstances))
    except UserError as error:
        return {"graph": "", "summary": str(error)}
    drawing = graphs.draw([_node(stage) for stage in stages])
    runs = [stage for stage in stages if not stage.skipped]
    summary = f"{len(runs)} of {len(stages)} stages would run for a {words}."
    return {"graph": render_to_string("parts/graph.html", {"drawing": drawing, "current": ""}), "summary": summary}


def _filled_in(spec: PipelineSpec, circumstances: Circumstances) -> Circumstances:
    """As if somebody had left the form as it is, or taken the first option."""
    given = {each.name: each.default or next(iter(each.options), "1") for each in spec.parameters}
    return replace(circumstances, parameters=given)


def _node(stage: PlannedStage) -> graphs.Node:
    count = len(stage.spec.steps)
    note = "by approval" if stage.spec.approval else f"{count} step{'' if count == 1 else 's'}"
    status = Status.SKIPPED if stage.skipped else Status.BLOCKED if stage.spec.approval else Status.PENDING
    values = stage.spec.values
    group = f"{stage.spec.base}, by {', '.join(values)}" if values else ""
    return graphs.Node(
        stage.spec.name, status, stage.spec.needs, stage.skipped or note, group, ", ".join(values.values())
    )
