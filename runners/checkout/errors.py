"""What can go wrong between us and a repository."""

from pipelines.errors import SystemFault, UserError


class GitFault(SystemFault):
    """Git on this machine failed in a way that the repository is not to blame for."""


class TookTooLong(GitFault):
    """A command of git's reached its deadline and was killed."""


class BadRef(UserError):
    """A ref, commit id or label from outside is not of the form that git takes."""


class CloneFailed(UserError):
    """The repository did not answer or refused; its URL, token or host has to be corrected."""


class HostKeyUnknown(CloneFailed):
    """No key is pinned for the code host; a person has to compare the fingerprint and pin one."""


class HostKeyChanged(CloneFailed):
    """The code host shows another key than the pinned one: it was rebuilt, or somebody is in between."""


class CommitMissing(UserError):
    """The repository no longer has the commit or ref; a new push has to name one that exists."""


class FileMissing(UserError):
    """The commit has no such file, or one that cannot be read; the file has to be committed."""


class UnsafeTree(UserError):
    """The commit holds a path that no checkout may write; the commit has to be made anew."""


class SubmoduleRefused(UserError):
    """A submodule cannot be checked out here; `.gitmodules` or the project's settings have to be changed."""


class LfsRefused(UserError):
    """A file of Git LFS cannot be had; push it, or change the project's settings."""
