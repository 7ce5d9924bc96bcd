"""GitHub's deployments, as the stand-in keeps them: made, listed, and given statuses that are never taken back."""

import itertools
import json
import re
import urllib.parse
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.lab.stand_in import Answer, Asked

_PATH = re.compile(r"/repos/(?P<name>[^/]+/[^/]+)/deployments(?:/(?P<number>\d+)/statuses)?")
_STATES = frozenset({"error", "failure", "inactive", "in_progress", "queued", "pending", "success"})


@dataclass(slots=True)
class Deployment:
    """One deployment of a repository; the newest of its statuses is what people see."""

    id: int
    repository: str
    given: dict[str, Any]
    statuses: list[dict[str, Any]] = field(default_factory=list)

    @property
    def states(self) -> list[str]:
        return [status["state"] for status in self.statuses]

    def to_json(self) -> dict[str, Any]:
        return {**self.given, "id": self.id, "sha": self.given["ref"]}


@dataclass(slots=True)
class Deployments:
    """`refusals` are answered in turn before anything is taken."""

    made: list[Deployment] = field(default_factory=list)
    refusals: list[Answer] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(8_000_000_001))

    def answer(self, asked: Asked, repositories: Container[str]) -> Answer | None:
        """One API call; None when it is not about deployments."""
        path, _, query = asked.path.partition("?")
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        if self.refusals:
            return self.refusals.pop(0)
        if match["name"] not in repositories:
            return Answer(404, {"message": "Not Found"})
        if match["number"]:
            return self._tell(int(match["number"]), asked)
        if asked.method == "GET":
            return Answer(value=self._listed(match["name"], dict(urllib.parse.parse_qsl(query))))
        return self._make(match["name"], asked.json())

    def _listed(self, repository: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """Newest first, as GitHub does."""
        rows = [one.to_json() for one in self.made if one.repository == repository]
        asked = {key: query[key] for key in ("sha", "task", "environment") if key in query}
        found = [row for row in rows if all(row.get(key) == value for key, value in asked.items())]
        return found[::-1][: int(query.get("per_page", "30"))]

    def _make(self, repository: str, given: dict[str, Any]) -> Answer:
        if not given.get("ref") or given.get("required_contexts") is None:
            return Answer(422, {"message": "Validation Failed"})
        one = Deployment(next(self._numbers), repository, json.loads(json.dumps(given)))
        self.made.append(one)
        return Answer(201, one.to_json())

    def _tell(self, number: int, asked: Asked) -> Answer:
        one = next((one for one in self.made if one.id == number), None)
        given = asked.json() if asked.method == "POST" else {}
        if one is None:
            return Answer(404, {"message": "Not Found"})
        if given.get("state") not in _STATES or len(given.get("description", "")) > 140:
            return Answer(422, {"message": "Validation Failed"})
        one.statuses.append(given)
        return Answer(201, {"id": len(one.statuses), **given})
