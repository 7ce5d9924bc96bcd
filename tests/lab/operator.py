"""The person who runs the server: sets up and looks through the pages that people use, and nothing else."""

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.lab.browser import Browser, Page, Stuck
from tests.lab.patience import until

PATIENCE_SECONDS = 120  # on a machine that does much else besides
FINAL = frozenset({"succeeded", "failed", "errored", "cancelled", "skipped"})
_LOG = re.compile(r'href="(/logs/\d+\.txt)"')


@dataclass(frozen=True, slots=True)
class Repo:
    """What a project's form asks for."""

    clone_url: str
    webhook_secret: str
    code_host_name: str = ""
    code_host_token: str = ""
    chat_channel: str = ""


class Operator:
    """Signed in as `name`. Every method raises Stuck or TooLate when a page does not show what it should."""

    def __init__(self, browser: Browser, name: str, password: str) -> None:
        self.browser, self.name, self.password = browser, name, password

    def begin(self, setup_link: str) -> None:
        """Become the operator through the one-time link."""
        form = {"username": self.name, "password1": self.password, "password2": self.password}
        self.browser.press(self.browser.open(setup_link), "Create the operator", form)

    def sign_in(self) -> None:
        """With name and password, like every later visit."""
        page = self.browser.open("/sign-in/")
        self.browser.press(page, "Sign in", {"username": self.name, "password": self.password})

    def add_project(self, name: str, repo: Repo) -> None:
        self._add(
            "projects/project",
            name=name,
            clone_url=repo.clone_url,
            webhook_secret=repo.webhook_secret,
            code_host_name=repo.code_host_name,
            code_host_token=repo.code_host_token,
            chat_channel=repo.chat_channel,
        )

    def add_secret(self, project: str, name: str, value: str) -> None:
        """A secret for stages that name it."""
        self._add("projects/secret", project=self._option("projects/secret", project), name=name, value=value)

    def add_credential(self, name: str, private_key: str) -> None:
        self._add("deploys/credential", name=name, private_key=private_key)

    def add_person(self, name: str, password: str, team: str) -> None:
        """Somebody who signs in with a password, in a new team."""
        self._add("auth/user", username=name, password1=password, password2=password)
        self._add("auth/group", name=team, people=self._option("auth/group", name))

    def let_in(self, project: str, team: str, role: str) -> None:
        """Give a team a role in a project."""
        self.browser.press(self.browser.open(f"/projects/{project}/people/"), "Let it in", {"team": team, "role": role})

    def add_environment(
        self, project: str, name: str, kind: str, inventory: Mapping[str, object], credential: str, **fields: str
    ) -> None:
        """`fields` are those of the form: automatic="on", ref_pattern, inventory_secret, configuration …"""
        where = "deploys/environment"
        chosen = {
            "project": self._option(where, project),
            "credential": self._option(where, credential),
            "inventory_kind": kind,
            "inventory": json.dumps(inventory),
        }
        self._add(where, name=name, **chosen, **fields)

    def add_environment_secret(self, project: str, environment: str, name: str, value: str) -> None:
        """A secret value of the environment's `.env`."""
        where = "deploys/environmentsecret"
        chosen = self._option(where, f"{project} {environment}")
        self._add(where, environment=chosen, name=name, value=value)

    def change_environment(self, project: str, environment: str, **fields: str) -> None:
        """Change fields of an environment on its form."""
        page = self.environment(project, environment)
        link = re.search(r'href="(/admin/deploys/environment/\d+/change/)"', page.text)
        if link is None:
            raise Stuck(f"{page.url} has no link to its settings")
        self.browser.press(self.browser.open(link[1]), "Save", fields)

    def preview_inventory(self, project: str, environment: str) -> Page:
        """Have the inventory asked; the page with its answer."""
        return self._ask(project, environment, "Look now", "inventory")

    def scan_host_keys(self, project: str, environment: str) -> Page:
        """Have the hosts asked for their keys; the page that offers them for approval."""
        return self._ask(project, environment, "Scan now", "scan")

    def approve_host_keys(self, project: str, environment: str) -> Page:
        """Scan, then approve every key that the page itself has ticked: the new ones."""
        page = self.scan_host_keys(project, environment)
        return self.browser.press(page, "Approve the chosen keys")

    def project(self, name: str) -> Page:
        return self.browser.open(f"/projects/{name}/")

    def run(self, project: str, number: int, stage: str = "") -> Page:
        query = f"?stage={urllib.parse.quote(stage)}" if stage else ""
        return self.browser.open(f"/projects/{project}/runs/{number}/{query}")

    def deploy(self, project: str, number: int, host: str = "") -> Page:
        return self.browser.open(f"/projects/{project}/deploys/{number}/" + (f"?host={host}" if host else ""))

    def environment(self, project: str, name: str) -> Page:
        return self.browser.open(f"/projects/{project}/environments/{name}/")

    def log(self, page: Page) -> str:
        """The whole log that the page shows, from its raw link."""
        link = _LOG.search(page.text)
        if link is None:
            raise Stuck(f"{page.url} shows no log: {page.words[:600]}")
        return self.browser.open(link[1]).text

    def await_run(self, project: str, number: int, within_seconds: float = PATIENCE_SECONDS) -> str:
        """The status word with which the run ends."""
        return self._await(f"the end of run {number}", lambda: self.run(project, number), within_seconds)

    def await_deploy(self, project: str, number: int, within_seconds: float = PATIENCE_SECONDS) -> str:
        """The status word with which the deploy ends."""
        return self._await(f"the end of deploy {number}", lambda: self.deploy(project, number), within_seconds)

    def _await(self, what: str, look: Callable[[], Page], within_seconds: float) -> str:
        """Both pages' titles begin with the status word."""
        seen: list[Page] = []

        def status() -> str | None:
            seen[:] = [look()]
            word = seen[0].title.partition(":")[0]
            return word if seen[0].status == 200 and word in FINAL else None

        return until(what, status, within_seconds, lambda: f"{seen[0].title}: {seen[0].words[:800]}")

    def _ask(self, project: str, environment: str, button: str, part: str) -> Page:
        place = f"/projects/{project}/environments/{environment}/hosts/"
        self.browser.press(self.browser.open(place), button)

        def answered() -> Page | None:
            page = self.browser.open(place)
            waits = re.search(rf'<section class="sec" id="{part}" data-follow', page.text)
            return None if waits else page

        return until(f"the answer to “{button}”", answered)

    def _add(self, model: str, **fields: str) -> None:
        page = self.browser.open(f"/admin/{model}/add/")
        self.browser.press(page, "Save", fields)

    def _option(self, model: str, label: str) -> str:
        """The value of the choice that reads so, on the form that adds a `model`."""
        page = self.browser.open(f"/admin/{model}/add/")
        found = re.search(rf'<option value="(\d+)"[^>]*>{re.escape(label)}</option>', page.text)
        if found is None:
            raise Stuck(f"{page.url} offers no choice “{label}”: {page.title}")
        return found[1]
