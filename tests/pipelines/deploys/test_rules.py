"""Pure: a full ref against an environment's full pattern."""

import pytest

from pipelines.deploys.rules import takes


@pytest.mark.parametrize(
    ("pattern", "ref", "taken"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/heads/main2", False),
        ("refs/heads/main", "refs/heads/feature/main", False),
        ("refs/heads/main", "refs/tags/main", False),
        ("refs/tags/v*", "refs/tags/v1.2.3", True),
        ("refs/tags/v*", "refs/heads/v1.2.3", False),
        ("refs/tags/v*", "refs/heads/x-v1.2.3", False),
        ("refs/tags/v*", "refs/tags/x-v1.2.3", False),
        ("refs/tags/v*", "refs/heads/refs/tags/v1", False),
        ("refs/heads/*", "refs/tags/v1", False),
        ("refs/heads/release/*", "refs/heads/release/1", True),
        ("refs/heads/release/*", "refs/heads/release/1/fix", False),
        ("refs/heads/release/**", "refs/heads/release/1/fix", True),
        ("refs/tags/v*", "refs/tags/v1/rc", False),
        ("refs/tags/v[12]", "refs/tags/v1", False),
        ("refs/**", "refs/tags/v1", True),
        ("refs/heads/a/foo", "refs/heads/b/foo", False),
        ("refs/heads/Main", "refs/heads/main", False),
        ("main", "refs/heads/main", False),
        ("*", "refs/heads/main", False),
        ("v*", "refs/tags/v1", False),
        ("", "refs/heads/main", False),
    ],
)
def test_only_a_full_ref_that_the_full_pattern_matches_is_taken(pattern: str, ref: str, taken: bool) -> None:
    assert takes(pattern, ref) is taken
