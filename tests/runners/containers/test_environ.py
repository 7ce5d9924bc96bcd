"""The variables that a stage finds set."""

import re
from dataclasses import replace

from runners.containers import environ
from runners.containers.environ import Circumstances, trust_variables, variables

PUSH = Circumstances(
    project="shop", run=7, stage="test", attempt=2, event="push", ref="refs/heads/feature/x", sha="a" * 40
)


def test_a_branch_is_no_tag() -> None:
    env = variables(PUSH)

    assert (env["SLIPWAY_BRANCH"], env["SLIPWAY_TAG"], env["SLIPWAY_REF_NAME"]) == ("feature/x", "", "feature/x")
    assert (env["SLIPWAY_RUN"], env["SLIPWAY_ATTEMPT"], env["CI"]) == ("7", "2", "true")


def test_a_branch_named_like_a_tag_is_no_tag() -> None:
    assert variables(replace(PUSH, ref="refs/heads/refs/tags/v1"))["SLIPWAY_TAG"] == ""
    assert variables(replace(PUSH, ref="refs/tags/v1"))["SLIPWAY_TAG"] == "v1"


def test_the_table_names_every_variable() -> None:
    table = set(re.findall(r"\b(?:CI|SLIPWAY(?:_[A-Z_]+)?)\b", environ.__doc__.split("In names made")[0]))

    assert {name for name in table if not name.endswith("_")} == set(variables(PUSH))
    assert all(name in environ.__doc__ for name in trust_variables())


def test_values_of_the_matrix_and_parameters_have_names_that_shells_take() -> None:
    about = replace(PUSH, values={"python": "3.12", "os-name": "debian $(id)"}, parameters={"dry_run": "true"})
    env = variables(about)

    assert env["SLIPWAY_MATRIX_PYTHON"] == "3.12"
    assert env["SLIPWAY_MATRIX_OS_NAME"] == "debian $(id)"
    assert env["SLIPWAY_PARAM_DRY_RUN"] == "true"


def test_a_commit_message_is_cut_at_a_character_and_holds_no_nul() -> None:
    env = variables(replace(PUSH, message="a" + "é" * 20_000, title="x\0y"))

    assert env["SLIPWAY_MESSAGE"] == "a" + "é" * 8191
    assert env["SLIPWAY_TITLE"] == "xy"


def test_the_target_of_a_pull_request_is_a_branch() -> None:
    assert variables(replace(PUSH, target="refs/heads/main"))["SLIPWAY_TARGET"] == "main"
