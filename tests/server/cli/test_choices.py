"""What may be typed, and what is said to the rest."""

from pathlib import Path
from typing import Any

import pytest

from server.cli.choices import Choices


def read(**options: Any) -> Choices:
    given: dict[str, Any] = {
        "stages": (),
        "event": "push",
        "ref": "main",
        "parameters": (),
        "secret_names": (),
        "secrets_file": None,
        "parallel": 2,
        "is_privileged": False,
        "approves": False,
        "artifacts": None,
    }
    return Choices.read(**(given | options))


def test_a_short_name_is_a_branch_and_of_a_tag_event_a_tag() -> None:
    assert read(ref="main").ref == "refs/heads/main"
    assert read(ref="v1", event="tag").ref == "refs/tags/v1"
    assert read(ref="refs/tags/v1").ref == "refs/tags/v1"


def test_secrets_come_by_name_from_the_environment_or_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    (tmp_path / "secrets").write_text("# mine\nKEY=from=the file\n\n")
    found = read(secret_names=["TOKEN"], secrets_file=tmp_path / "secrets")
    assert found.secrets == {"TOKEN": "from the environment", "KEY": "from=the file"}


def test_a_secret_that_the_environment_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no variable NO_SUCH_THING"):
        read(secret_names=["NO_SUCH_THING"])


def test_a_parameter_needs_a_name_and_a_value() -> None:
    assert read(parameters=["level=3", "note=a=b"]).parameters == {"level": "3", "note": "a=b"}
    with pytest.raises(ValueError, match="NAME=VALUE"):
        read(parameters=["level"])


def test_an_event_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="one of push"):
        read(event="pushed")
