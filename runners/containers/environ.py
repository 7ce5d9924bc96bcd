"""The variables that every stage finds set. Pure.

| variable | value |
|---|---|
| CI, SLIPWAY | true |
| SLIPWAY_PROJECT | name of the project |
| SLIPWAY_RUN | number of the run in its project |
| SLIPWAY_URL | address of the run's page |
| SLIPWAY_STAGE | name of the stage |
| SLIPWAY_ATTEMPT | number of the attempt at the stage, from 1 |
| SLIPWAY_EVENT | what started the run: push, tag, pull_request, manual, api or schedule |
| SLIPWAY_REF | the ref in full: refs/heads/main |
| SLIPWAY_REF_NAME | the ref without its name space: main |
| SLIPWAY_BRANCH | name of the branch; empty for a tag |
| SLIPWAY_TAG | name of the tag; empty for a branch |
| SLIPWAY_TARGET | the branch that a pull request is for, without its name space; else empty |
| SLIPWAY_SHA | the commit, in full |
| SLIPWAY_BEFORE | the commit that the ref was at before, if that is known; else empty |
| SLIPWAY_TITLE | first line of the commit message |
| SLIPWAY_MESSAGE | the commit message, cut at 16 KiB |
| SLIPWAY_AUTHOR | name of the commit's author |
| SLIPWAY_WORKSPACE | where the commit is checked out and every step begins |
| SLIPWAY_MATRIX_… | for each axis of the stage's matrix, in capitals: its value here |
| SLIPWAY_PARAM_… | for each parameter of the run, and each answer of who approved the stage, in capitals: its value |

In names made of others' words, what is no letter, digit or _ becomes _. With a CA bundle of our own: SSL_CERT_FILE,
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, PIP_CERT, GIT_SSL_CAINFO and NODE_EXTRA_CA_CERTS name its place in the container.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runners.containers.script import CA_BUNDLE, WORKSPACE

MESSAGE_BYTES_MAX = 16 * 1024  # the kernel takes no longer variable than 128 KiB

_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a stage may know about why and where it runs. `ref` and `target` are full."""

    project: str
    run: int
    stage: str
    attempt: int
    event: str
    ref: str
    sha: str
    url: str = ""
    target: str = ""
    before: str = ""
    title: str = ""
    message: str = ""
    author: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def variables(about: Circumstances) -> dict[str, str]:
    """The table above; a stage's own `env` may overrule any of it."""
    branch = about.ref.removeprefix("refs/heads/") if about.ref.startswith("refs/heads/") else ""
    tag = about.ref.removeprefix("refs/tags/") if about.ref.startswith("refs/tags/") else ""
    known = {
        "CI": "true",
        "SLIPWAY": "true",
        "SLIPWAY_PROJECT": about.project,
        "SLIPWAY_RUN": str(about.run),
        "SLIPWAY_URL": about.url,
        "SLIPWAY_STAGE": about.stage,
        "SLIPWAY_ATTEMPT": str(about.attempt),
        "SLIPWAY_EVENT": about.event,
        "SLIPWAY_REF": about.ref,
        "SLIPWAY_REF_NAME": branch or tag or about.ref,
        "SLIPWAY_BRANCH": branch,
        "SLIPWAY_TAG": tag,
        "SLIPWAY_TARGET": about.target.removeprefix("refs/heads/"),
        "SLIPWAY_SHA": about.sha,
        "SLIPWAY_BEFORE": about.before,
        "SLIPWAY_TITLE": about.title,
        "SLIPWAY_MESSAGE": about.message.encode()[:MESSAGE_BYTES_MAX].decode(errors="ignore"),
        "SLIPWAY_AUTHOR": about.author,
        "SLIPWAY_WORKSPACE": WORKSPACE,
    }
    return {
        name: value.replace("\0", "")  # which no variable can hold
        for name, value in (known | _named("MATRIX", about.values) | _named("PARAM", about.parameters)).items()
    }


def trust_variables() -> dict[str, str]:
    """For containers that get a CA bundle at CA_BUNDLE."""
    return dict.fromkeys(_TRUST, CA_BUNDLE)


def _named(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"SLIPWAY_{kind}_{re.sub('[^A-Z0-9_]', '_', name.upper())}": value for name, value in values.items()}
