"""Where a message leads: the page's full address."""

from django.conf import settings


def run_url(project: str, number: int) -> str:
    return f"{settings.SLIPWAY_URL}/projects/{project}/runs/{number}/"


def deploy_url(project: str, number: int) -> str:
    return f"{settings.SLIPWAY_URL}/projects/{project}/deploys/{number}/"


def environment_url(project: str, environment: str) -> str:
    return f"{settings.SLIPWAY_URL}/projects/{project}/environments/{environment}/"


def hosts_url(project: str, environment: str) -> str:
    return f"{settings.SLIPWAY_URL}/projects/{project}/environments/{environment}/hosts/"


def messages_url(project: str) -> str:
    return f"{settings.SLIPWAY_URL}/projects/{project}/messages/"


def project_url(project: str) -> str:
    return f"{settings.SLIPWAY_URL}/projects/{project}/"


def new_password_url(person: str, token: str) -> str:
    return f"{settings.SLIPWAY_URL}/sign-in/new-password/{person}/{token}/"
