"""Which text a run is planned from.

It is the repository's file or folder at its commit, or this server's own version, and what these include.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.errors import UserError
from pipelines.projects import pipelines
from pipelines.projects.models import Project, SpecSource, SpecVersion
from pipelines.runs.models import Run, Template
from pipelines.spec.includes import IncludeSpec
from pipelines.spec.model import PipelineSpec
from pipelines.spec.parser import MAX_FILES, parse, parse_folder
from runners.checkout import FileMissing, Mirror

_ENDINGS = (".yml", ".yaml")


class NotIncluded(UserError):
    """Another project's file that may not be included here, or a ref that it does not have."""


@dataclass(slots=True)
class Reading:
    """The files of one run's pipeline, each remembered with where it came from."""

    run: Run
    mirror: Mirror
    open_mirror: Callable[[Project], Mirror]
    sources: list[dict[str, str]] = field(default_factory=list)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def spec(self) -> PipelineSpec:
        """Raises SpecError with all that is wrong, or another UserError for a file that is not there."""
        project = self.run.project
        if project.spec_source == SpecSource.SERVER:
            return parse(self._of_server(), path=project.spec_path, load=self._load)
        if (text := self._of_commit(project.spec_path)) is not None:
            return parse(text, path=project.spec_path, load=self._load)
        return parse_folder(self._of_folder(project.spec_path), load=self._load)

    @property
    def digest(self) -> str:
        """Of all that was read, in its order."""
        return self._digest.hexdigest()

    def _of_server(self) -> bytes:
        """A rerun takes the version that its first run took."""
        before = self.run.rerun_of.spec_sources if self.run.rerun_of else []
        number = next((source["version"] for source in before if "version" in source), "")
        versions = self.run.project.spec_versions
        version: SpecVersion | None = (
            versions.filter(number=int(number)).first() if number else pipelines.current(self.run.project)
        )
        if version is None:
            raise UserError(f"{self.run.project} takes its pipeline from this server, and none is saved yet")
        return self._note(version.text.encode(), version=str(version.number))

    def _of_commit(self, path: str) -> bytes | None:
        try:
            return self._note(self.mirror.read_file(self.run.sha, path), sha=self.run.sha, path=path)
        except FileMissing:
            return None

    def _of_folder(self, folder: str) -> dict[str, bytes]:
        names = [name for name in self.mirror.list_files(self.run.sha, folder) if name.endswith(_ENDINGS)]
        if not names:
            raise UserError(
                f"{folder} is not in commit {self.run.short_sha}: add one, or name its path in the project's settings"
            )
        if len(names) > MAX_FILES:
            raise UserError(f"{folder} holds {len(names)} pipeline files: at most {MAX_FILES} are read")
        read = {name: self.mirror.read_file(self.run.sha, name) for name in names}
        return {name: self._note(text, sha=self.run.sha, path=name) for name, text in read.items()}

    def _load(self, wanted: IncludeSpec) -> bytes:
        """What an `include` names: a path of the same commit, or of a template at a pinned ref."""
        if not wanted.project:
            text = self.mirror.read_file(self.run.sha, wanted.path)
            return self._note(text, sha=self.run.sha, path=wanted.path)
        template = Template.objects.filter(project__name=wanted.project).select_related("project").first()
        if template is None:
            raise NotIncluded(
                f"{wanted.project} is no project whose files may be included: an operator can make it a template"
            )
        return self._of_template(self.open_mirror(template.project), wanted)

    def _of_template(self, mirror: Mirror, wanted: IncludeSpec) -> bytes:
        sha = mirror.tip(wanted.ref) if wanted.ref.startswith("refs/") else mirror.obtain(wanted.ref)
        if sha is None:
            raise NotIncluded(f"{wanted.project} has no {wanted.ref.removeprefix('refs/tags/')}")
        text = mirror.read_file(sha, wanted.path)
        return self._note(text, project=wanted.project, ref=wanted.ref, sha=sha, path=wanted.path)

    def _note(self, text: bytes, **where: str) -> bytes:
        self.sources.append(where)
        self._digest.update(text)
        return text
