"""Readers of what stands beside a stage's steps: services, caches, artifacts, reports."""

from pipelines.spec.fields import clip, join
from pipelines.spec.model import (
    DEFAULT_READY_TIMEOUT_SECONDS,
    CacheSpec,
    ReadySpec,
    ReportsSpec,
    ServiceSpec,
)
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.reference import KINDS, PLACES
from pipelines.spec.values import ValueReader

MAX_SERVICES = 10
MAX_CACHES = 20


class SurroundingsReader(ValueReader):
    """One method per mapping and list."""

    def services(self, node: Node | None, key: str) -> tuple[ServiceSpec, ...]:
        if isinstance(node, Mapping) and len(node.entries) > MAX_SERVICES:
            self.note(node, key, f"{len(node.entries)} services", f"at most {MAX_SERVICES}")
            return ()
        return self.named(node, key, "host_name", self._service, "a mapping of host names to images")

    def _service(self, name: Scalar, node: Node, key: str) -> ServiceSpec | None:
        if isinstance(node, Scalar):
            image = self.read(node, key, "image", filled=True)
            return None if image is None else ServiceSpec(name.text, image)
        service = self.mapping(node, key, "service")
        if service is None:
            return None
        return ServiceSpec(
            name=name.text,
            image=self.read(service.value("image"), join(key, "image"), "image", filled=True) or "",
            env=self.env(service.value("env"), join(key, "env")),
            command=self.read(service.value("command"), join(key, "command"), "command") or "",
            ready=self._ready(service.value("ready"), join(key, "ready")),
        )

    def _ready(self, node: Node | None, key: str) -> ReadySpec:
        if node is None:
            return ReadySpec()
        if isinstance(node, Scalar):
            return ReadySpec(self.read(node, key, "command") or "")
        ready = self.mapping(node, key, "ready")
        if ready is None:
            return ReadySpec()
        port = ready.value("port")
        return ReadySpec(
            command=self.read(ready.value("command"), join(key, "command"), "command") or "",
            port=None if port is None else self.whole(port, join(key, "port"), "port", 1),
            timeout_seconds=self.duration(ready.value("timeout"), join(key, "timeout"), DEFAULT_READY_TIMEOUT_SECONDS),
        )

    def caches(self, node: Node | None, key: str, stage: str) -> tuple[CacheSpec, ...]:
        """A cache without a name is called as the stage."""
        if node is None:
            return ()
        nodes = node.items if isinstance(node, ListNode) else (node,)
        if len(nodes) > MAX_CACHES:
            self.note(node, key, f"{len(nodes)} caches", f"at most {MAX_CACHES}")
            return ()
        self.expect_items(node, key, PLACES["cache"].expected)
        found: dict[str, CacheSpec] = {}
        for item in nodes:
            cache = self._cache(item, key, stage)
            if cache is not None and cache.name in found:
                self.note(item, key, f"another cache is called {clip(cache.name)}", "a `name` for each")
            elif cache is not None:
                found[cache.name] = cache
        return tuple(found.values())

    def _cache(self, node: Node, key: str, stage: str) -> CacheSpec | None:
        cache = self.mapping(node, key, "cache")
        if cache is None:
            return None
        paths = cache.value("paths")
        self.expect_items(paths, join(key, "paths"), KINDS["path"].means)
        return CacheSpec(
            name=self.read(cache.value("name"), join(key, "name"), "line", filled=True) or stage,
            paths=self.texts(paths, join(key, "paths"), "path", filled=True),
            files=self.one_or_list(cache.value("key"), join(key, "key"), "file_glob"),
            fallback=self.one_or_list(cache.value("fallback"), join(key, "fallback"), "line", filled=True),
        )

    def artifacts(self, node: Node | None, key: str) -> tuple[tuple[str, ...], int | None]:
        """The paths, and for how many seconds they are kept."""
        if not isinstance(node, Mapping):
            return self.texts(node, key, "path", filled=True), None
        self.mapping(node, key, "artifacts")
        self.expect_items(node.value("paths"), join(key, "paths"), KINDS["path"].means)
        paths = self.texts(node.value("paths"), join(key, "paths"), "path", filled=True)
        return paths, self.duration(node.value("expire"), join(key, "expire"), None, "long_duration")

    def reports(self, node: Node | None, key: str) -> ReportsSpec:
        reports = self.mapping(node, key, "reports")
        if reports is None:
            return ReportsSpec()
        return ReportsSpec(
            junit=self.one_or_list(reports.value("junit"), join(key, "junit"), "path", filled=True),
            coverage=self.one_or_list(reports.value("coverage"), join(key, "coverage"), "path", filled=True),
        )
