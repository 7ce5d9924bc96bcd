"""A story's own project: what it pushes, and what its pages show."""

import re
import time
from dataclasses import dataclass
from typing import Any

from tests.lab import shops, sights
from tests.lab.browser import Page
from tests.lab.codehost import Repository
from tests.lab.fleet import ACTIVATE, PATH, Host
from tests.lab.patience import until
from tests.lab.payloads import Movement
from tests.lab.scene import Scene
from tests.lab.server import SERVER_LABEL
from tests.lab.shops import Files
from tests.lab.webhooks import Delivered, Webhook, deliver


@dataclass(frozen=True, slots=True)
class Works:
    """A project of its own on the common server; `image` has a shell, `python` has Python as well.

    `log_from` is where in the server's log this story begins.
    """

    scene: Scene
    name: str
    repository: Repository
    image: str
    python: str
    log_from: int = 0

    @property
    def path(self) -> str:
        """Where its releases go on the hosts."""
        return f"{PATH}/{self.name}"

    def push(self, spec: str, message: str = "Work", branch: str = "main") -> Movement:
        """Push a pipeline file; IMAGE in it stands for the image with a shell."""
        return self.repository.push({".slipway.yml": spec.replace("IMAGE", self.image)}, message, branch)

    def push_shop(self, files: Files, message: str = "Work") -> Movement:
        """Push the shop, made to live below this project's own path; what is unhealthy is waited for 3 seconds."""
        activate = f"ln -sfn {self.path}/current {PATH}/current && {ACTIVATE}"
        spec = files[".slipway.yml"].replace("path: /srv/shop", f"path: {self.path}").replace(ACTIVATE, activate)
        return self.repository.push({**files, ".slipway.yml": spec.replace("timeout: 10s", "timeout: 3s")}, message)

    def push_good(self, version: str) -> Movement:
        return self.push_shop(shops.good(version, self.python), f"Version {version}")

    def ends(self, run: int, status: str) -> Page:
        """Wait until the run has ended so; its page."""
        ended = self.scene.operator.await_run(self.name, run)
        page = self.page(run)
        assert ended == status, f"run {run} {ended}: {page.words}"
        return page

    def deploy_ends(self, deploy: int, status: str) -> Page:
        """Wait until the deploy has ended so; its page."""
        ended = self.scene.operator.await_deploy(self.name, deploy)
        page = self.scene.operator.deploy(self.name, deploy)
        assert ended == status, f"deploy {deploy} {ended}: {page.words}\n{self.scene.operator.log(page)}"
        return page

    def page(self, run: int, stage: str = "") -> Page:
        return self.scene.operator.run(self.name, run, stage)

    def log(self, run: int, stage: str) -> str:
        """The whole stored log of the stage's last attempt."""
        return self.scene.operator.log(self.page(run, stage))

    def await_log(self, run: int, stage: str, text: str) -> None:
        """Wait until the stage has printed the text; its page may show it before, in the steps."""
        until(f"“{text}” in the log of {stage}", lambda: text in self._log_so_far(run, stage))

    def _log_so_far(self, run: int, stage: str) -> str:
        page = self.page(run, stage)
        return self.scene.operator.log(page) if "/logs/" in page.text else ""

    @property
    def secret(self) -> str:
        """What the project's webhook is signed with."""
        assert self.repository.webhook is not None
        return self.repository.webhook.secret

    def deliver_to(self, project: str, payload: dict[str, Any]) -> Delivered:
        """Announce a push to another project that has the same webhook secret."""
        return deliver(Webhook(f"{self.scene.server.url}/hooks/github/{project}", self.secret), "push", payload)

    def events(self) -> str:
        """What the project's events page says."""
        return self.scene.operator.browser.open(f"/projects/{self.name}/events/").words

    def has_run(self, number: int) -> bool:
        return self.page(number).status == 200

    def has_deploy(self, number: int) -> bool:
        return self.scene.operator.deploy(self.name, number).status == 200

    def served(self) -> set[str]:
        """The versions that the hosts serve."""
        return {sights.served(host).version for host in self.scene.fleet.hosts}

    def link(self, host: Host) -> sights.Link | None:
        return sights.link(host, self.path)

    def digests(self) -> set[str]:
        """The digests of what the hosts run."""
        return {sights.digest(host, self.path) for host in self.scene.fleet.hosts}

    def artifact_digest(self, run: int, stage: str) -> str:
        """The digest of what the stage keeps, as its page gives it."""
        found = re.search(r'class="sha qq" title="([0-9a-f]{64})"', self.page(run, stage).text)
        assert found is not None, f"the page of {stage} shows no artifact"
        return found[1]

    def containers(self) -> list[str]:
        """Ids of this project's containers that are there now, whatever their state."""
        label = f"{SERVER_LABEL}={self.scene.here.name}"
        found = self.scene.here.engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        return [str(one.id) for one in found if f"SLIPWAY_PROJECT={self.name}" in one.attrs["Config"]["Env"]]

    def inside(self, run: int, stage: str, command: str) -> None:
        """Run a shell command in the container of a stage, once that is there."""
        marks = {f"SLIPWAY_PROJECT={self.name}", f"SLIPWAY_RUN={run}", f"SLIPWAY_STAGE={stage}"}

        def ran() -> bool:
            found = self.scene.here.engine.containers.list(
                filters={"label": f"{SERVER_LABEL}={self.scene.here.name}"}, ignore_removed=True
            )
            there = [one for one in found if marks.issubset(one.attrs["Config"]["Env"])]
            return bool(there) and there[0].exec_run(["sh", "-c", command]).exit_code == 0

        until(f"{command} in {stage} of run {run}", ran)

    def containers_made_since(self, moment: int) -> list[str]:
        """Names of the containers that the server has made since (seconds of the clock), in any project."""
        wanted = {"type": "container", "event": "create", "label": f"{SERVER_LABEL}={self.scene.here.name}"}
        events = self.scene.here.engine.events(since=moment, until=int(time.time()) + 1, filters=wanted, decode=True)
        return [event["Actor"]["Attributes"]["name"] for event in events]
