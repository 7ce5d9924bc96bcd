"""What is found in a repository makes a pipeline that the parser takes."""

import itertools

import pytest

from pipelines.spec.parser import parse
from pipelines.spec.starters import TELLING, Folder, Starter, starters

_PACKAGE = '{"scripts": {"test": "vitest run", "build": "vite build"}}'
_ALL = (
    *TELLING,
    *("setup.py", "Pipfile", "manage.py", "uv.lock", "poetry.lock", "pytest.ini", "conftest.py", "ruff.toml", "tests/"),
    *("package-lock.json", "yarn.lock", "pnpm-lock.yaml", "go.sum", "pom.xml", "mvnw", "gradlew", "build.gradle.kts"),
    *("Dockerfile", "index.html"),
)


def commands(starter: Starter) -> list[str]:
    return [step.run for stage in parse(starter.text).stages for step in stage.steps]


def test_nothing_known_gives_the_blank_one_alone() -> None:
    assert [one.key for one in starters(Folder(["README"], {}))] == ["blank"]


def test_python_with_pytest_is_tested_with_a_report() -> None:
    made = starters(Folder(["requirements.txt", "tests/"], {"requirements.txt": "flask\npytest\n"}))[0]
    assert made.key == "python"
    assert commands(made) == ["pip install -r requirements.txt", "pytest --junitxml=report.xml"]


def test_python_whose_requirements_lack_pytest_gets_it() -> None:
    made = starters(Folder(["requirements.txt", "tests/"], {"requirements.txt": "flask\n"}))[0]
    assert "pip install pytest" in commands(made)


def test_django_without_pytest_is_tested_by_its_own_command() -> None:
    made = starters(Folder(["requirements.txt", "manage.py"], {"requirements.txt": "django"}))[0]
    assert commands(made)[-1] == "python manage.py test"


def test_a_newer_python_is_taken_where_it_is_asked_for() -> None:
    made = starters(Folder(["pyproject.toml"], {"pyproject.toml": 'requires-python = ">=3.13"'}))[0]
    assert made.text.startswith("image: python:3.13\n")


def test_node_runs_the_scripts_that_there_are() -> None:
    made = starters(Folder(["package.json", "package-lock.json"], {"package.json": _PACKAGE}))[0]
    assert commands(made) == ["npm ci", "npm run test", "npm run build"]


@pytest.mark.parametrize("text", ["no json", "[]", '{"scripts": 3}', '{"scripts": {"test": "no test specified"}}'])
def test_a_package_that_says_nothing_is_installed_only(text: str) -> None:
    assert commands(starters(Folder(["package.json"], {"package.json": text}))[0])[0] == "npm install"


def test_go_takes_the_version_of_its_module() -> None:
    made = starters(Folder(["go.mod"], {"go.mod": "module x\n\ngo 1.23.1\n"}))[0]
    assert made.text.startswith("image: golang:1.23\n")


@pytest.mark.parametrize(
    ("names", "command"),
    [
        (["pom.xml"], "mvn --batch-mode -Dmaven.repo.local=.cache/maven verify"),
        (["pom.xml", "mvnw"], "sh ./mvnw --batch-mode -Dmaven.repo.local=.cache/maven verify"),
        (["build.gradle"], "gradle --no-daemon build"),
        (["build.gradle.kts", "gradlew"], "sh ./gradlew --no-daemon build"),
    ],
)
def test_java_is_built_by_what_builds_it(names: list[str], command: str) -> None:
    assert commands(starters(Folder(names, {}))[0]) == [command]


def test_a_dockerfile_is_built() -> None:
    (stage,) = parse(starters(Folder(["Dockerfile"], {}))[0].text).stages
    assert stage.build is not None


def test_every_kind_that_fits_is_offered() -> None:
    assert [one.key for one in starters(Folder(_ALL, {}))] == [
        *("python", "node", "go", "java", "dockerfile", "static", "blank")
    ]


@pytest.mark.parametrize("names", list(itertools.combinations(_ALL, 2)))
def test_whatever_is_found_gives_pipelines_that_the_parser_takes(names: tuple[str, ...]) -> None:
    texts = {"pyproject.toml": "[project]\n[tool.ruff]\n[tool.pytest.ini_options]", "package.json": _PACKAGE}
    for made in starters(Folder(names, texts)):
        assert parse(made.text).stages, made.text
