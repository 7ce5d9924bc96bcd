"""What can go wrong between a command and its server, by the exit status that a script sees."""

FINE, FAILED, WRONG_USE, NOT_ALLOWED, NOT_FOUND, REFUSED, BROKE = range(7)
STOPPED = 130  # by Ctrl-C

EXIT_STATUS = (
    "Exit status: 0 fine, or what was watched succeeded; 1 what was watched failed or was cancelled; 2 wrong use; "
    "3 not signed in or not allowed; 4 not found; 5 refused by a gate, or somebody was first; "
    "6 the server could not be reached or broke; 130 stopped by Ctrl-C."
)


class ClientError(Exception):
    """The text is for the person: what happened, where, what to do next."""

    exit_status = FAILED


class WrongUse(ClientError):
    """The command cannot mean anything: say it otherwise."""

    exit_status = WRONG_USE


class NotSignedIn(ClientError):
    """No token, or one that is no longer good: sign in."""

    exit_status = NOT_ALLOWED


class NotAllowed(ClientError):
    """Role or scope do not suffice: ask an owner, or make another token."""

    exit_status = NOT_ALLOWED


class NotFound(ClientError):
    """It is not there, or not for this person's eyes."""

    exit_status = NOT_FOUND


class Refused(ClientError):
    """A gate refuses, or somebody was first: the text says which."""

    exit_status = REFUSED


class Unreachable(ClientError):
    """No answer, or none of Slipway's: look at the network and the server, try again."""

    exit_status = BROKE


class ServerBroke(ClientError):
    """The server answered that it cannot: its operator finds the reason in its log."""

    exit_status = BROKE
