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
    table = set(re.findall(r"\b(?:CI|SLIPWAY(?:_[A-Z_]+)?)\b", environ.__doc__.split("With a CA")[0]))

    assert table == set(variables(PUSH))
    assert all(name in environ.__doc__ for name in trust_variables())
