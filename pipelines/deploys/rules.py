"""Pure: which refs an environment takes."""

from pipelines.spec.conditions import matches


def takes(ref_pattern: str, ref: str) -> bool:
    """Whether a release of the full ref `ref` may go to an environment with this pattern, a glob as in `when`.

    Both are full (`refs/tags/v*`, `refs/heads/main`), so that a branch that is named like a tag never passes for one.
    """
    return ref_pattern.startswith("refs/") and matches(ref_pattern, ref)
