"""What is asked about questions."""

from pipelines.probes.models import Kind, Probe


def newest(kind: Kind, subject_id: int = 0) -> Probe | None:
    """The last of its kind about an environment or a project; without one, about the whole server."""
    return Probe.objects.filter(kind=kind, subject_id=subject_id).order_by("pk").last()
