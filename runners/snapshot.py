"""A working tree as a commit that no ref leads to, for a run of what a person has just typed.

Neither the index, HEAD, refs nor files of the repository change; objects are added, which git's own clean-up takes away
again. Git works in a folder of our own that only borrows the objects: no filter, hook or monitor that the repository's
configuration names is started.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import UserError
from runners.checkout import process
from runners.checkout.process import Answer
from runners.checkout.refs import redact

# How files are compared with what is stored. Nothing of it names a program.
_TAKEN_OVER = r"^core\.(filemode|ignorecase|symlinks|autocrlf|eol|precomposeunicode)$"
_WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "slipway run"), ("EMAIL", "slipway@localhost"))
}
_SUBMODULE = "160000"


class NoSnapshot(UserError):
    """The folder is in no working tree of git, or one that git cannot record."""


def snapshot(path: Path) -> str:
    """Record the working tree that `path` is in, as it is: all files but ignored ones. Returns the commit's full id.

    Its parent is HEAD, if there is a commit yet. Of a submodule its HEAD is recorded, not what was changed in it.
    Raises NoSnapshot.
    """
    tree = _Tree.around(path)
    with tempfile.TemporaryDirectory(prefix="slipway-snapshot-") as folder:
        return _Recording(tree, Path(folder), tree.settings()).record()


@dataclass(frozen=True, slots=True)
class _Tree:
    """A working tree: `top` is where it begins, `git_dir` its own folder of git's, `objects` the repository's."""

    top: Path
    git_dir: Path
    objects: Path
    form: str

    @classmethod
    def around(cls, path: Path) -> "_Tree":
        """Found by its `.git`: the repository's configuration could name another folder of the machine's."""
        place = path.resolve()
        top = next((folder for folder in (place, *place.parents) if (folder / ".git").exists()), None)
        if top is None:
            raise NoSnapshot(f"{path} is in no git repository: go into one, or make one with `git init`.")
        asked = ("--absolute-git-dir", "--git-path", "objects", "--show-object-format")
        answer = _read(top, "rev-parse", *asked)
        if answer.code:
            raise NoSnapshot(f"Git cannot read the repository in {top}: {redact(answer.error, None)}.")
        told = os.fsdecode(answer.out).split("\n")[:-1]
        if len(told) != 3:
            raise NoSnapshot(f"{top} has a path that git cannot tell from two: rename it.")
        return cls(top, Path(told[0]), Path(top, told[1]).resolve(), told[2])

    def head(self) -> str | None:
        answer = _read(self.top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return None if answer.code else answer.out.decode().strip()

    def settings(self) -> dict[str, str]:
        """The repository's and the person's settings that decide what a file's content is."""
        answer = _read(self.top, "config", "-z", "--get-regexp", _TAKEN_OVER)
        lines = answer.out.decode("utf-8", "replace").split("\0")[:-1]
        return {key: value or "true" for key, _, value in (line.partition("\n") for line in lines)}

    def exclude_files(self) -> list[Path]:
        """Files of patterns that are ignored besides those of `.gitignore`."""
        answer = _read(self.top, "config", "--type=path", "--get", "core.excludesFile")
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        personal = Path(os.fsdecode(answer.out).strip()) if answer.code == 0 else home / "git" / "ignore"
        return [personal, self.objects.parent / "info" / "exclude"]


@dataclass(frozen=True, slots=True)
class _Recording:
    """One snapshot in the making; `folder` is ours and goes afterwards."""

    tree: _Tree
    folder: Path
    settings: Mapping[str, str]

    def record(self) -> str:
        self._prepare()
        head = self.tree.head()
        self._take_index(head)
        self._must("update-index", "--skip-worktree", "-z", "--stdin", stdin=self._submodules())
        self._must("-c", "advice.addEmbeddedRepo=false", "add", "--all", "--", ".")
        self._must("update-index", "-z", "--index-info", stdin=self._submodule_heads())
        made = self._must("write-tree", "--missing-ok").decode().strip()
        parents = ["-p", head] if head else []
        message = f"The working tree of {self.tree.top.name}, as it is\n".encode("utf-8", "replace")
        return self._must("commit-tree", made, *parents, stdin=message, extra=_WHO).decode().strip()

    def _prepare(self) -> None:
        """A folder of git's with a configuration of ours."""
        git = self.folder / "git"
        (git / "info").mkdir(parents=True)
        (git / "refs").mkdir()
        (git / "HEAD").write_text("ref: refs/heads/none\n")
        version = 0 if self.tree.form == "sha1" else 1
        text = f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n"
        if version:
            text += f"[extensions]\n\tobjectFormat = {self.tree.form}\n"
        (git / "config").write_text(text)
        with (git / "info" / "exclude").open("wb") as patterns:
            for file in self.tree.exclude_files():
                if file.is_file():
                    patterns.write(file.read_bytes() + b"\n")

    def _take_index(self, head: str | None) -> None:
        """A copy of the person's: it knows which files have not changed. Where it cannot be read, HEAD's."""
        mine = self.tree.git_dir / "index"
        if mine.is_file():
            shutil.copy2(mine, self.folder / "index")  # with its time, by which git tells what it cannot rely on
            if self._git("ls-files", "--stage").code == 0:
                return
            (self.folder / "index").unlink()
        if head:
            self._must("read-tree", head)

    def _submodules(self) -> bytes:
        """Their paths. Marked, git does not look into them, where it would find configuration of its own."""
        return b"".join(path + b"\0" for path in self._submodule_paths())

    def _submodule_paths(self) -> list[bytes]:
        lines = (line.partition(b"\t") for line in self._must("ls-files", "--stage", "-z").split(b"\0")[:-1])
        return [path for stage, _, path in lines if stage.startswith(_SUBMODULE.encode())]

    def _submodule_heads(self) -> bytes:
        """What is checked out in each of them; one that is not there stays as it is recorded."""
        heads = []
        for path in self._submodule_paths():
            folder = self.tree.top / os.fsdecode(path)
            if (folder / ".git").exists() and folder.resolve() == folder:
                answer = _read(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
                if answer.code == 0:
                    heads.append(f"{_SUBMODULE} {answer.out.decode().strip()}\t".encode() + path + b"\0")
        return b"".join(heads)

    def _must(self, *args: str, stdin: bytes = b"", extra: dict[str, str] | None = None) -> bytes:
        answer = self._git(*args, stdin=stdin, extra=extra)
        if answer.code:
            raise NoSnapshot(f"Git cannot record {self.tree.top}: {redact(answer.error, None)}.")
        return answer.out

    def _git(self, *args: str, stdin: bytes = b"", extra: dict[str, str] | None = None) -> Answer:
        env = process.environment(self.folder) | {
            "GIT_DIR": str(self.folder / "git"),
            "GIT_WORK_TREE": str(self.tree.top),
            "GIT_INDEX_FILE": str(self.folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(self.tree.objects),
            **_as_variables({**self.settings, "core.hooksPath": os.devnull, "core.fsmonitor": "false"}),
            **(extra or {}),
        }
        return process.run(args, self.tree.top, env, stdin=stdin)


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for at, (key, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return found


def _read(folder: Path, *args: str) -> Answer:
    """A command that only reads, in the repository itself and with the configuration of who runs it."""
    env = process.environment(folder)
    for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
        del env[name]
    return process.run(args, folder, env)
