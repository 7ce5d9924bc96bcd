"""The working tree that a command is given: where it begins, and the branch that is checked out. Reads only files."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_SPEC, DEFAULT_FOLDER = ".slipway.yml", ".slipway"


class NoWorktree(Exception):
    """There is no repository around the directory: go into one, or name it with --directory."""


@dataclass(frozen=True, slots=True)
class Worktree:
    """`root` is absolute; `ref` is a full ref, `refs/heads/detached` where none is checked out."""

    root: Path
    ref: str

    @classmethod
    def around(cls, directory: Path) -> "Worktree":
        """The working tree that a directory lies in; raises NoWorktree."""
        place = directory.resolve()
        for folder in (place, *place.parents):
            if (folder / ".git").exists():
                return cls(folder, _ref(_git_folder(folder)))
        raise NoWorktree(f"{place} is in no git repository: go into one, or name it with --directory")

    def spec_path(self, wanted: Path | None) -> str:
        """The path of the pipeline file below the root, `/` between its parts; raises ValueError for one outside."""
        if wanted is None:
            has_folder = not (self.root / DEFAULT_SPEC).exists() and (self.root / DEFAULT_FOLDER).is_dir()
            return DEFAULT_FOLDER if has_folder else DEFAULT_SPEC
        path = wanted.resolve()
        if not path.is_relative_to(self.root):
            raise ValueError(f"{wanted} is not in the working tree {self.root}")
        return path.relative_to(self.root).as_posix()


def _git_folder(root: Path) -> Path:
    """Of a linked working tree or a submodule `.git` is a file that names the folder."""
    place = root / ".git"
    if place.is_dir():
        return place
    return (root / place.read_text().removeprefix("gitdir:").strip()).resolve()


def _ref(git_folder: Path) -> str:
    head = (git_folder / "HEAD").read_text().strip()
    return head.removeprefix("ref:").strip() if head.startswith("ref:") else "refs/heads/detached"
