"""What happened, to look into: read-only."""

from django.contrib import admin

from pipelines.audit.models import Act
from pipelines.deploys.models import Configuration, Deploy, Host, HostDeploy, Release
from pipelines.logs.models import Chunk, Log
from pipelines.outbox.models import Message, Notice
from pipelines.probes.models import Probe
from pipelines.projects.models import Refusal
from pipelines.runs.models import Artifact, Attempt, Event, Poll, Run, Stage, Step, Tip
from pipelines.states.models import Transition
from server.admin import acting
from server.admin.audited import Record


@admin.register(Run)
class RunAdmin(Record):
    list_display = ("number", "project", "status", "event_kind", "ref", "short_sha", "title", "created_at")
    list_filter = ("status", "event_kind", "project")
    search_fields = ("sha", "title", "ref", "author")
    list_select_related = ("project",)
    actions = (acting.cancel_runs,)


@admin.register(Event)
class EventAdmin(Record):
    list_display = ("id", "project", "kind", "ref", "outcome", "why", "actor", "received_at")
    list_filter = ("outcome", "kind", "project")
    search_fields = ("ref", "sha", "delivery_id", "actor")
    list_select_related = ("project",)


@admin.register(Tip)
class TipAdmin(Record):
    list_display = ("project", "ref", "sha")
    list_filter = ("project",)
    search_fields = ("ref", "sha")
    list_select_related = ("project",)


@admin.register(Poll)
class PollAdmin(Record):
    list_display = ("project", "looked_at", "due_at", "error")
    search_fields = ("project__name", "error")
    list_select_related = ("project",)


@admin.register(Refusal)
class RefusalAdmin(Record):
    """Why a code host's delivery was not taken."""

    list_display = ("project", "at", "why")
    search_fields = ("project__name", "why")
    list_select_related = ("project",)


@admin.register(Stage)
class StageAdmin(Record):
    list_display = ("run", "name", "status", "reason", "started_at", "finished_at")
    list_filter = ("status", "run__project")
    search_fields = ("name", "run__sha")
    list_select_related = ("run__project",)


@admin.register(Attempt)
class AttemptAdmin(Record):
    list_display = ("stage", "number", "status", "owner", "fence", "deaths", "exit_code", "started_at", "finished_at")
    list_filter = ("status",)
    search_fields = ("container", "owner", "stage__name")
    list_select_related = ("stage__run__project",)


@admin.register(Step)
class StepAdmin(Record):
    list_display = ("attempt", "position", "exit_code", "started_at", "finished_at")
    search_fields = ("attempt__stage__name",)
    list_select_related = ("attempt__stage__run__project",)


@admin.register(Artifact)
class ArtifactAdmin(Record):
    list_display = ("path", "attempt", "size", "digest")
    search_fields = ("path", "digest")
    list_select_related = ("attempt__stage__run__project",)


@admin.register(Release)
class ReleaseAdmin(Record):
    list_display = ("number", "project", "ref", "short_sha", "title", "quarantined_at", "created_at")
    list_filter = ("project",)
    search_fields = ("sha", "title")
    list_select_related = ("project",)


@admin.register(Configuration)
class ConfigurationAdmin(Record):
    list_display = ("environment", "version", "made_by", "created_at")
    list_filter = ("environment__project",)
    search_fields = ("environment__name", "made_by")
    list_select_related = ("environment__project",)


@admin.register(Host)
class HostAdmin(Record):
    list_display = ("name", "environment", "address", "release", "healthy", "listed_at", "gone_at")
    list_filter = ("healthy", "environment__project")
    search_fields = ("name", "address", "external_id")
    list_select_related = ("environment__project", "release__project")


@admin.register(Deploy)
class DeployAdmin(Record):
    list_display = ("number", "kind", "environment", "release", "status", "asked_by", "reason", "created_at")
    list_filter = ("status", "kind", "environment__project")
    search_fields = ("reason", "asked_by", "environment__name")
    list_select_related = ("environment__project", "release__project")
    actions = (acting.cancel_deploys,)


@admin.register(HostDeploy)
class HostDeployAdmin(Record):
    list_display = ("deploy", "host", "wave", "phase", "status", "switched", "unreachable", "reason")
    list_filter = ("status", "phase", "unreachable")
    search_fields = ("host__name", "reason")
    list_select_related = ("deploy__environment", "deploy__release__project", "host__environment__project")


@admin.register(Probe)
class ProbeAdmin(Record):
    list_display = ("kind", "subject_id", "status", "asked_by", "reason", "created_at")
    list_filter = ("kind", "status")
    search_fields = ("asked_by",)


@admin.register(Transition)
class TransitionAdmin(Record):
    list_display = ("at", "subject_kind", "subject_id", "from_status", "to_status", "actor", "reason")
    list_filter = ("subject_kind", "to_status")
    search_fields = ("actor", "reason")


@admin.register(Message)
class MessageAdmin(Record):
    list_display = ("transition", "notice", "channel", "due_at", "attempts", "sent_at", "given_up_at", "error")
    list_filter = ("channel",)
    search_fields = ("error",)
    list_select_related = ("transition", "notice")


@admin.register(Notice)
class NoticeAdmin(Record):
    list_display = ("topic", "subject_kind", "subject_id", "at")
    list_filter = ("topic",)
    search_fields = ("topic", "subject_kind")


@admin.register(Act)
class ActAdmin(Record):
    list_display = ("at", "actor", "verb", "subject", "reason", "place")
    list_filter = ("verb",)
    search_fields = ("actor", "subject", "reason")


@admin.register(Log)
class LogAdmin(Record):
    list_display = ("id", "size", "raw_size", "closed_at", "archive")
    list_filter = ("closed_at",)
    search_fields = ("id",)


@admin.register(Chunk)
class ChunkAdmin(Record):
    """Where the pieces of a log lie; their text is on the pages, for those who may read it."""

    list_display = ("log_id", "offset", "raw_until")
    search_fields = ("log__id",)
    fields = ("log", "offset", "raw_until")
