"""The server's settings on a database that somebody else has made."""

import os

from server.settings import *  # noqa: F403

DATABASES["default"]["NAME"] = os.environ["SLIPWAY_BROWSER_DATABASE"]  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
