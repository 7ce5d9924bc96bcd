"""Make this machine ready for one of Slipway's commands, run the command, and tidy up behind it.

    bootstrap.py demo|test|check|up COMMAND...

It takes nothing but Python's standard library, and this file even an old Python: that is told in one sentence.
"""

import os
import shutil
import sys

WANTED = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11")


def main() -> int:
    """Hand over to the machine package; without a Python for it, to a newer one beside this."""
    if sys.version_info >= WANTED:
        from machine.purposes import run

        return run(sys.argv[1], sys.argv[2:])
    for name in filter(shutil.which, NEWER):
        os.execvp(name, [name] + sys.argv)  # noqa: RUF005, S606
    told = "slipway needs Python {}.{} or newer, and this is {}. Install one, then: make PYTHON=python3.x ...\n"
    sys.stderr.write(told.format(WANTED[0], WANTED[1], sys.version.split()[0]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
