"""Pure: a first pipeline for what lies in a repository's folder, for a person to look at and change."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What is worth reading, where it is there: it says which commands there are.
TELLING = ("package.json", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "go.mod", "build.gradle")
_PYTHON, _NODE, _JAVA = "3.12", "22", "21"
_NO_TEST = "no test specified"  # what npm init writes


@dataclass(frozen=True, slots=True)
class Starter:
    """A pipeline that would run as it stands. `found` names the files that spoke for it."""

    key: str
    title: str
    found: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The names in a repository's first folder, folders with a slash behind; the text of those that are `TELLING`."""

    names: Collection[str]
    texts: Mapping[str, str]

    def has(self, *names: str) -> tuple[str, ...]:
        """Those of the names that are there."""
        return tuple(name for name in names if name in self.names)

    def says(self, name: str, word: str) -> bool:
        return word in self.texts.get(name, "")


def starters(folder: Folder) -> tuple[Starter, ...]:
    """What fits, the most telling first; a blank one comes last, always."""
    found = [made for make in _MAKERS if (made := make(folder))]
    return (*found, _blank())


def _python(folder: Folder) -> Starter | None:
    found = folder.has("pyproject.toml", "requirements.txt", "requirements-dev.txt", "setup.py", "Pipfile", "manage.py")
    found += folder.has("uv.lock", "poetry.lock", "pytest.ini", "tox.ini", "conftest.py")
    if not found:
        return None
    install, begin = _python_install(folder)
    test, reports = _python_test(folder, begin)
    key = ", ".join(folder.has("uv.lock", "poetry.lock", "pyproject.toml", "requirements.txt", "requirements-dev.txt"))
    text = f"image: python:{_python_version(folder)}\nenv: {{PIP_CACHE_DIR: .cache/pip}}\n\nstages:\n"
    if folder.has("ruff.toml", ".ruff.toml") or folder.says("pyproject.toml", "[tool.ruff"):
        text += _stage("lint", ["pip install ruff", "ruff check ."], needs="[]")
    cache = f"    cache: {{key: [{key}], paths: [.cache/pip]}}\n" if key else ""
    text += _stage("test", [*install, *test], needs="[]" if "lint:" in text else "") + cache + reports
    return Starter("python", "Python", found, text)


def _python_install(folder: Folder) -> tuple[list[str], str]:
    """The commands that bring what is needed, and what stands before a command that uses it."""
    if folder.has("uv.lock"):
        return ["pip install uv", "uv sync"], "uv run "
    if folder.has("poetry.lock"):
        return ["pip install poetry", "poetry install"], "poetry run "
    files = folder.has("requirements.txt", "requirements-dev.txt")
    install = [f"pip install {' '.join(f'-r {name}' for name in files)}"] if files else []
    packaged = folder.says("pyproject.toml", "[project]") or bool(folder.has("setup.py"))
    return [*install, "pip install ."] if packaged else install, ""


def _python_test(folder: Folder, begin: str) -> tuple[list[str], str]:
    telling = folder.has("pytest.ini", "conftest.py") or any(folder.says(name, "pytest") for name in TELLING)
    if folder.has("manage.py") and not telling:
        return [f"{begin}python manage.py test"], ""
    if telling or folder.has("tests/", "test/"):
        own = any(
            folder.says(name, "pytest") for name in ("pyproject.toml", "requirements.txt", "requirements-dev.txt")
        )
        bring = [] if begin or (own and not folder.says("pyproject.toml", "pytest")) else ["pip install pytest"]
        return [*bring, f"{begin}pytest --junitxml=report.xml"], "    reports: {junit: report.xml}\n"
    return ["python -m compileall -q ."], ""


def _python_version(folder: Folder) -> str:
    """The least that it asks for, where that is newer than ours."""
    asked = re.search(r'requires-python\s*=\s*["\'][^"\']*?3\.(\d+)', folder.texts.get("pyproject.toml", ""))
    return f"3.{asked[1]}" if asked and 12 < int(asked[1]) < 30 else _PYTHON


def _node(folder: Folder) -> Starter | None:
    if not folder.has("package.json"):
        return None
    scripts = _scripts(folder.texts.get("package.json", ""))
    lock, install, run = _node_tool(folder)
    steps = [*install, *(f"{run} {name}" for name in ("lint", "test", "build") if name in scripts)]
    if len(steps) == len(install):
        steps.append("node --version")
    key = f"key: [{lock or 'package.json'}], "
    text = f"image: node:{_NODE}\nenv: {{npm_config_cache: .npm}}\n\nstages:\n" + _stage("test", steps)
    text += f"    cache: {{{key}paths: [.npm]}}\n"
    return Starter("node", "Node", folder.has("package.json", lock), text)


def _node_tool(folder: Folder) -> tuple[str, list[str], str]:
    """The lock file, the commands that install what it names, and what runs a script."""
    if folder.has("pnpm-lock.yaml"):
        return "pnpm-lock.yaml", ["corepack enable", "pnpm install --frozen-lockfile"], "pnpm run"
    if folder.has("yarn.lock"):
        return "yarn.lock", ["corepack enable", "yarn install --frozen-lockfile"], "yarn run"
    if folder.has("package-lock.json"):
        return "package-lock.json", ["npm ci"], "npm run"
    return "", ["npm install"], "npm run"


def _scripts(text: str) -> dict[str, Any]:
    try:
        package = json.loads(text)
    except ValueError:
        return {}
    scripts = package.get("scripts") if isinstance(package, dict) else None
    known = scripts if isinstance(scripts, dict) else {}
    return {name: command for name, command in known.items() if _NO_TEST not in str(command)}


def _go(folder: Folder) -> Starter | None:
    if not folder.has("go.mod"):
        return None
    asked = re.search(r"(?m)^go (1\.\d{1,3})", folder.texts.get("go.mod", ""))
    text = f"image: golang:{asked[1] if asked else '1'}\n\nstages:\n"
    return Starter("go", "Go", folder.has("go.mod", "go.sum"), text + _stage("test", ["go vet ./...", "go test ./..."]))


def _java(folder: Folder) -> Starter | None:
    maven, gradle = folder.has("pom.xml", "mvnw"), folder.has("build.gradle", "build.gradle.kts", "gradlew")
    if folder.has("pom.xml"):
        wrapped = bool(folder.has("mvnw"))
        image = f"eclipse-temurin:{_JAVA}" if wrapped else f"maven:3-eclipse-temurin-{_JAVA}"
        command = ("sh ./mvnw" if wrapped else "mvn") + " --batch-mode -Dmaven.repo.local=.cache/maven verify"
        text = f"image: {image}\n\nstages:\n" + _stage("test", [command])
        text += "    cache: {key: [pom.xml], paths: [.cache/maven]}\n    reports: {junit: target/surefire-reports}\n"
        return Starter("java", "Java, Maven", maven, text)
    if not gradle:
        return None
    wrapped = bool(folder.has("gradlew"))
    image = f"eclipse-temurin:{_JAVA}" if wrapped else f"gradle:8-jdk{_JAVA}"
    command = ("sh ./gradlew" if wrapped else "gradle") + " --no-daemon build"
    text = f"image: {image}\n\nstages:\n" + _stage("test", [command]) + "    reports: {junit: build/test-results}\n"
    return Starter("java", "Java, Gradle", gradle, text)


def _dockerfile(folder: Folder) -> Starter | None:
    if not folder.has("Dockerfile"):
        return None
    text = "stages:\n  image:\n    build: {}  # add tags, and push: true, to send it to a registry\n"
    return Starter("dockerfile", "Dockerfile", ("Dockerfile",), text)


def _static(folder: Folder) -> Starter | None:
    if not folder.has("index.html"):
        return None
    copy = "find . -mindepth 1 -maxdepth 1 ! -name dist ! -name '.*' -exec cp -R {} dist/ ';'"
    steps = ["test -s index.html", "mkdir -p dist", copy]
    text = "image: debian:12\n\nstages:\n" + _stage("package", steps) + "    artifacts: [dist/]\n"
    return Starter("static", "Static pages", ("index.html",), text)


def _blank() -> Starter:
    text = "image: debian:12\n\nstages:\n" + _stage("test", ['echo "replace me with your tests"'])
    return Starter("blank", "Blank", (), text)


def _stage(name: str, steps: list[str], needs: str = "") -> str:
    lines = [f"  {name}:", *([f"    needs: {needs}"] if needs else []), "    steps:", *_each(steps)]
    return "".join(f"{line}\n" for line in lines)


def _each(steps: list[str]) -> Iterator[str]:
    for step in steps:
        yield f"      - {step}"


_MAKERS: tuple[Callable[[Folder], Starter | None], ...] = (_python, _node, _go, _java, _dockerfile, _static)
