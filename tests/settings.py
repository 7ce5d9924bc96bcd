"""The server's settings for tests: a state directory of each process's own, gone when the session ends."""

import atexit
import os
import shutil
import tempfile

if "SLIPWAY_TEST_STATES" not in os.environ:  # xdist's workers find their parent's, who outlives them and removes it
    os.environ["SLIPWAY_TEST_STATES"] = tempfile.mkdtemp(prefix="slipway-test-")
    atexit.register(shutil.rmtree, os.environ["SLIPWAY_TEST_STATES"], ignore_errors=True)
os.environ["SLIPWAY_STATE_DIR"] = tempfile.mkdtemp(dir=os.environ["SLIPWAY_TEST_STATES"])

from server.settings import *  # noqa: F403

# A file, not SQLite's memory: threads and processes of a test are to be rivals as they are in the product.
if not os.environ.get("SLIPWAY_DATABASE_URL"):
    DATABASES["default"]["TEST"] = {"NAME": f"{os.environ['SLIPWAY_STATE_DIR']}/test.sqlite3"}  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
