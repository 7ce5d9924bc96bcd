"""An environment's secrets: put, replaced and removed by people; no page or answer ever gives one back."""

from pipelines.deploys.models import Environment, EnvironmentSecret
from pipelines.projects import vault


def put(environment: Environment, name: str, value: str, by: str) -> bool:
    """Keep `value` under `name`, in place of what was there; gives whether it is new. Raises BadSecret.

    It reaches the hosts with the next deploy.
    """
    return vault.keep(EnvironmentSecret(environment=environment, name=name, value=value), "environment", by)


def remove(environment: Environment, name: str, by: str) -> bool:
    """Forget it; gives whether it was there."""
    return vault.forget(environment.secrets.filter(name=name), by)
