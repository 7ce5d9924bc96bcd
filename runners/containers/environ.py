"""The variables that every stage finds set. Pure.

| variable | value |
|---|---|
| CI, SLIPWAY | true |
| SLIPWAY_PROJECT | name of the project |
| SLIPWAY_RUN | number of the run in its project |
| SLIPWAY_STAGE | name of the stage |
| SLIPWAY_ATTEMPT | number of the attempt at the stage, from 1 |
| SLIPWAY_EVENT | what started the run: push or tag |
| SLIPWAY_REF | the ref in full: refs/heads/main |
| SLIPWAY_REF_NAME | the ref without its name space: main |
| SLIPWAY_BRANCH | name of the branch; empty for a tag |
| SLIPWAY_TAG | name of the tag; empty for a branch |
| SLIPWAY_SHA | the commit, in full |
| SLIPWAY_WORKSPACE | where the commit is checked out and every step begins |

With a CA bundle of our own: SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, PIP_CERT, GIT_SSL_CAINFO and
NODE_EXTRA_CA_CERTS name its place in the container.
"""

from dataclasses import dataclass

from runners.containers.script import CA_BUNDLE, WORKSPACE

_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a stage may know about why and where it runs. `ref` is full."""

    project: str
    run: int
    stage: str
    attempt: int
    event: str
    ref: str
    sha: str


def variables(about: Circumstances) -> dict[str, str]:
    """The table above; a stage's own `env` may overrule any of it."""
    branch = about.ref.removeprefix("refs/heads/") if about.ref.startswith("refs/heads/") else ""
    tag = about.ref.removeprefix("refs/tags/") if about.ref.startswith("refs/tags/") else ""
    return {
        "CI": "true",
        "SLIPWAY": "true",
        "SLIPWAY_PROJECT": about.project,
        "SLIPWAY_RUN": str(about.run),
        "SLIPWAY_STAGE": about.stage,
        "SLIPWAY_ATTEMPT": str(about.attempt),
        "SLIPWAY_EVENT": about.event,
        "SLIPWAY_REF": about.ref,
        "SLIPWAY_REF_NAME": branch or tag or about.ref,
        "SLIPWAY_BRANCH": branch,
        "SLIPWAY_TAG": tag,
        "SLIPWAY_SHA": about.sha,
        "SLIPWAY_WORKSPACE": WORKSPACE,
    }


def trust_variables() -> dict[str, str]:
    """For containers that get a CA bundle at CA_BUNDLE."""
    return dict.fromkeys(_TRUST, CA_BUNDLE)
