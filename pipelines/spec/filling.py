"""The `${{ … }}` of a stage filled in, and what came of it checked as if it had been written there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipelines.spec import templates
from pipelines.spec.fields import clip
from pipelines.spec.model import BuildSpec, CacheSpec, ConcurrencySpec, ReportsSpec, ServiceSpec, StageSpec, StepSpec
from pipelines.spec.reference import KINDS


@dataclass(slots=True)
class Filler:
    """Fills in one stage (or run, called `whose`); `faults` gathers every value that does not fit, in words."""

    facts: Mapping[str, str]
    whose: str
    faults: list[str] = field(default_factory=list)

    def stage(self, stage: StageSpec) -> StageSpec:
        return replace(
            stage,
            image=self.text(stage.image, "image", "image"),
            env=self.env(stage.env),
            steps=tuple(self._step(step) for step in stage.steps),
            services=tuple(self._service(service) for service in stage.services),
            caches=tuple(self._cache(cache) for cache in stage.caches),
            artifacts=self.texts(stage.artifacts, "artifacts", "path"),
            reports=self._reports(stage.reports),
            concurrency=self.concurrency(stage.concurrency),
            labels=self.texts(stage.labels, "labels", "label"),
            build=self._build(stage.build),
        )

    def concurrency(self, spec: ConcurrencySpec | None) -> ConcurrencySpec | None:
        return None if spec is None else replace(spec, group=self.text(spec.group, "concurrency.group", "line"))

    def text(self, text: str, key: str, kind: str) -> str:
        if templates.OPENING not in text:
            return text
        filled = templates.fill(text, self.facts)
        if not KINDS[kind].fits(filled):
            self.faults.append(f"{self.whose}: {key}: {clip(filled)} does not fit; expected {KINDS[kind].means}")
        return filled

    def texts(self, texts: Iterable[str], key: str, kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.text(text, key, kind) for text in texts))

    def env(self, env: Mapping[str, str]) -> dict[str, str]:
        return {name: templates.fill(value, self.facts) for name, value in env.items()}

    def _step(self, step: StepSpec) -> StepSpec:
        return replace(step, env=self.env(step.env)) if step.env else step

    def _service(self, service: ServiceSpec) -> ServiceSpec:
        key = f"services.{service.name}.image"
        return replace(service, image=self.text(service.image, key, "image"), env=self.env(service.env))

    def _cache(self, cache: CacheSpec) -> CacheSpec:
        return replace(
            cache,
            name=self.text(cache.name, "cache.name", "line"),
            paths=self.texts(cache.paths, "cache.paths", "path"),
            fallback=self.texts(cache.fallback, "cache.fallback", "line"),
        )

    def _reports(self, reports: ReportsSpec) -> ReportsSpec:
        return ReportsSpec(
            junit=self.texts(reports.junit, "reports.junit", "path"),
            coverage=self.texts(reports.coverage, "reports.coverage", "path"),
        )

    def _build(self, build: BuildSpec | None) -> BuildSpec | None:
        if build is None:
            return None
        return replace(
            build,
            context=self.text(build.context, "build.context", "folder"),
            file=self.text(build.file, "build.file", "path"),
            args=self.env(build.args),
            target=self.text(build.target, "build.target", "build_target"),
            tags=self.texts(build.tags, "build.tags", "image_tag"),
        )
