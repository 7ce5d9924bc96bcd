"""The whole play on real parts: code host, cloud, hosts, chat, and a server that an operator has signed in to."""

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.browser import Browser
from tests.lab.cloud import ACCESS_KEY, SECRET_KEY, Cloud, cloud
from tests.lab.codehost import CodeHost, Repository, code_host
from tests.lab.fleet import Fleet, fleet
from tests.lab.ground import Ground
from tests.lab.operator import Operator, Repo
from tests.lab.server import Server, server
from tests.lab.slack import Slack, slack
from tests.lab.webhooks import Webhook

CHANNEL = "#shop"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a story needs, at work."""

    here: Ground
    fleet: Fleet
    cloud: Cloud
    code_host: CodeHost
    slack: Slack
    server: Server
    operator: Operator

    def add_project(self, name: str) -> Repository:
        """A project for a new repository `acme/<name>` that announces its pushes."""
        secret = secrets.token_urlsafe(24)
        repository = self.code_host.create(f"acme/{name}", Webhook(f"{self.server.url}/hooks/github/{name}", secret))
        repo = Repo(str(repository.bare), secret, f"acme/{name}", self.code_host.token, CHANNEL)
        self.operator.add_project(name, repo)
        return repository

    def add_production(self, project: str, **fields: str) -> None:
        """An environment whose hosts the cloud lists by their tags, its host keys approved; deploys on green."""
        inventory = {
            "region": self.cloud.region,
            "tags": {"env": "prod", "role": ["web"]},
            "endpoint_url": self.cloud.url,
        }
        chosen = {"inventory_secret": f"{ACCESS_KEY}:{SECRET_KEY}", "automatic": "on", **fields}
        self.operator.add_environment(project, "production", "aws", inventory, "fleet", **chosen)
        self.operator.approve_host_keys(project, "production")


@contextlib.contextmanager
def scene(here: Ground, size: int = 3, **settings: str) -> Iterator[Scene]:
    """Set the scene: `size` hosts that the cloud lists as env=prod, role=web, and the credential `fleet` for them.

    `settings` are the server's SLIPWAY_* without the prefix. All is gone at the end.
    """
    with (
        tempfile.TemporaryDirectory(prefix="slipway-scene-") as state,
        fleet(here, size) as machines,
        cloud(machines.subnet) as sky,
        code_host() as origin,
        slack() as chat,
        server(here, Path(state), **_speech(origin, chat), **settings) as running,
    ):
        for host in machines.hosts:
            sky.start(host.address, {"Name": host.name, "env": "prod", "role": "web"})
        operator = Operator(Browser(running.url), "olga", secrets.token_urlsafe(9))
        operator.begin(running.setup_link)
        operator.add_credential("fleet", machines.private_key)
        yield Scene(here, machines, sky, origin, chat, running, operator)


def _speech(origin: CodeHost, chat: Slack) -> dict[str, str]:
    return {"GITHUB_API": origin.url, "SLACK_TOKEN": chat.token, "SLACK_API": f"{chat.url}/api/"}
