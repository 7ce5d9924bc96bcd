"""The wall's socket: it says that something has changed, and every few seconds that it is still there."""

import asyncio

from pipelines.deploys.models import Environment
from server.live import screens
from server.live.consumers import Socket, access_seconds
from server.live.entry import NOT_FOUND, Scope, person_of
from server.live.hub import hub
from server.live.threads import in_thread

GATHER_SECONDS = 1.0  # what changes within it is told once


class WallSocket(Socket):
    """`/wall/live/`: `{"changed": true}` after a change in any of the projects that this browser may see on the wall,
    `{"beat": true}` every few seconds. Closes with NOT_FOUND when it may see the wall no longer."""

    async def begin(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self.work(self._watch())
        self.work(self._tell())
        self.work(self.beat())

    async def disconnect(self, code: int) -> None:
        self._listen(frozenset())
        await super().disconnect(code)

    async def _watch(self) -> None:
        """What it listens to is asked for again and again: projects come and go, and so does the right to see them."""
        while (names := await in_thread(_names, self.scope)) is not None:
            if names != self._names:
                self._listen(names)
                self._changed.set()
            await asyncio.sleep(access_seconds())
        await self.close(code=NOT_FOUND)

    def _listen(self, names: frozenset[str]) -> None:
        for name in names - self._names:
            hub().listen(name, self._changed.set)
        for name in self._names - names:
            hub().leave(name, self._changed.set)
        self._names = names

    async def _tell(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            await self.tell(changed=True)


def _names(scope: Scope) -> frozenset[str] | None:
    """What the wall listens to: its projects and, for the hosts of a deploy under way, their environments."""
    projects = screens.projects_for(person_of(scope), scope.get("cookies", {}))
    if projects is None:
        return None
    found = list(projects.values_list("pk", flat=True))
    places = Environment.objects.filter(project__in=found).values_list("pk", flat=True)
    return frozenset([*(f"project:{pk}" for pk in found), *(f"environment:{pk}" for pk in places)])
