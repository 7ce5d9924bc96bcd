"""Git, behind one door: mirrors of repositories, what can be read of them, and workspaces made for stages."""

from runners.checkout.errors import (
    BadRef,
    CloneFailed,
    CommitMissing,
    FileMissing,
    GitFault,
    HostKeyChanged,
    HostKeyUnknown,
    LfsRefused,
    SubmoduleRefused,
    UnsafeTree,
)
from runners.checkout.mirror import Mirror
from runners.checkout.refs import check_ref, check_sha
from runners.checkout.repository import Commit, Repository

__all__ = [
    "BadRef",
    "CloneFailed",
    "Commit",
    "CommitMissing",
    "FileMissing",
    "GitFault",
    "HostKeyChanged",
    "HostKeyUnknown",
    "LfsRefused",
    "Mirror",
    "Repository",
    "SubmoduleRefused",
    "UnsafeTree",
    "check_ref",
    "check_sha",
]
