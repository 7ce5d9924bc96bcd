"""What a repository says of itself to whoever sets a project up, asked of real repositories."""

import subprocess
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.probes import lifecycle
from pipelines.probes.models import Kind
from pipelines.projects.models import Project
from pipelines.spec.parser import parse
from runners import probes
from runners.checkout import CloneFailed
from tests.factories import make_project, unique

pytestmark = pytest.mark.django_db


def commit(folder: Path, files: dict[str, str], branch: str = "main") -> Path:
    """A repository with one commit of these files."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=Ada Example", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, "init", "-q", "-b", branch], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], check=True)
    return folder


def reached(url: str) -> dict[str, object]:
    answer: dict[str, object] = probes.answer(lifecycle.ask(Kind.CLONE_URL, 0, "ada (#1)", {"url": url}))
    return answer


def looked_at(project: Project) -> dict[str, object]:
    answer: dict[str, object] = probes.answer(lifecycle.ask(Kind.REPOSITORY, project.pk, "ada (#1)"))
    return answer


def test_a_repository_is_reached_and_names_its_default_branch(tmp_path: Path) -> None:
    answer = reached(str(commit(tmp_path / "shop", {"README": "hello"}, branch="trunk")))
    assert (answer["branch"], answer["branches"]) == ("trunk", 1)
    assert len(str(answer["sha"])) == 40


def test_a_repository_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CloneFailed, match="could not be read"):
        reached(str(tmp_path / "nothing"))


def test_what_is_no_clone_url_is_not_asked_for() -> None:
    with pytest.raises(UserError, match="cannot be cloned"):
        reached("ftp://example.org/shop")


def test_a_host_that_shows_no_key_is_said_so() -> None:
    with pytest.raises(UserError, match="showed no key over ssh"):
        reached("ssh://git@127.0.0.1:1/shop.git")


def test_the_files_of_a_project_give_pipelines_to_start_from(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "pytest\n",
        "tests/test_it.py": "def test_it(): pass\n",
        "Dockerfile": "FROM scratch\n",
    }
    answer = looked_at(make_project(unique("shop"), clone_url=str(commit(tmp_path / "shop", files))))
    assert (answer["title"], answer["author"]) == ("Begin", "Ada Example")
    assert answer["names"] == ["tests/", "Dockerfile", "requirements.txt"]
    assert answer["spec"] == {"is_there": False, "problems": ""}
    made = answer["starters"]
    assert isinstance(made, list)
    assert [one["key"] for one in made] == ["python", "dockerfile", "blank"]
    assert all(parse(one["text"]).stages for one in made)


def test_a_pipeline_that_is_there_is_checked(tmp_path: Path) -> None:
    good = {".slipway.yml": "image: debian\nstages: {test: {steps: [make]}}\n"}
    answer = looked_at(make_project(unique("shop"), clone_url=str(commit(tmp_path / "good", good))))
    assert answer["spec"] == {"is_there": True, "problems": ""}
    bad = looked_at(
        make_project(unique("shop"), clone_url=str(commit(tmp_path / "bad", {".slipway.yml": "stage: 1\n"})))
    )
    assert "unknown key" in str(bad["spec"])


def test_another_default_branch_than_the_repository_s_own_is_told(tmp_path: Path) -> None:
    answer = looked_at(make_project(unique("shop"), clone_url=str(commit(tmp_path / "shop", {}, branch="trunk"))))
    assert (answer["branch"], answer["own_branch"], answer["sha"]) == ("main", "trunk", "")
