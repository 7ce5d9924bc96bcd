"""What is done to a project."""

from pipelines.projects import deploy_keys
from pipelines.projects.models import Project


def ensure_deploy_key(project: Project) -> str:
    """The project's private key, made now when there is none; of two processes that make one, the first's is kept."""
    if not project.deploy_key:
        Project.objects.filter(pk=project.pk, deploy_key="").update(deploy_key=deploy_keys.generate())
        project.refresh_from_db(fields=["deploy_key"])
    key: str = project.deploy_key
    return key
