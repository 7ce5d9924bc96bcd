"""All configuration: one file, everything from SLIPWAY_* variables; a wrong value stops the start with one sentence."""

import hashlib
import ipaddress
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import Env

from server import keys, providers

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(prefix="SLIPWAY_")

# Where everything lives that this server writes: database, keys, artifacts, logs, Redis, git mirrors.
STATE_DIR: Path = env.path("STATE_DIR", BASE_DIR / ".slipway").resolve()
STATE_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)


def _own_redis_socket(state: Path) -> Path:
    """In the state directory, but where that path is longer than the 107 bytes a socket may have."""
    socket = state / "redis" / "redis.sock"
    if len(str(socket)) < 100:
        return socket
    short = hashlib.sha256(str(state).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"slipway-{short}" / "redis.sock"


def _postgresql(url: str) -> dict[str, Any]:
    """postgres://user:password@host:port/name?sslmode=require; %2Frun%2Fpostgresql as host is a socket directory."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise ImproperlyConfigured("SLIPWAY_DATABASE_URL is not of the form postgres://user:password@host:port/name")
    host, _, port = parts.netloc.rpartition("@")[2].partition(":")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(host),
        "PORT": port,
        "OPTIONS": dict(parse_qsl(parts.query)),
        "CONN_HEALTH_CHECKS": True,
    }


def _mail_server(url: str) -> tuple[str, int, str, str, bool, bool]:
    """smtp://user:password@host:port; with smtp+starttls or smtps it is encrypted from the greeting or the start on."""
    parts, ports = urlsplit(url), {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    port = parts.netloc.rpartition("@")[2].partition(":")[2]
    if parts.scheme not in ports or not parts.hostname or not (port or "25").isdecimal():
        raise ImproperlyConfigured("SLIPWAY_MAIL_URL is not of the form smtp+starttls://user:password@host:port")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    number = int(port or ports[parts.scheme])
    return parts.hostname, number, user, password, parts.scheme == "smtp+starttls", parts.scheme == "smtps"


def _networks(name: str, listed: list[str]) -> list[Network]:
    try:
        return [ipaddress.ip_network(one.strip()) for one in listed]
    except ValueError as error:
        raise ImproperlyConfigured(f"SLIPWAY_{name} is a list of networks, like 10.0.0.0/8,::1: {error}") from error


SECRET_KEY = keys.secret_key(STATE_DIR)
SLIPWAY_ENCRYPTION_KEYS = keys.encryption_keys(STATE_DIR)
keys.remember_made(STATE_DIR)

DEBUG = False
SLIPWAY_URL: str = env.str("URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("TRUSTED_ORIGINS", [SLIPWAY_URL])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_rq",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "pipelines.states",
    "pipelines.logs",
    "pipelines.audit",
    "pipelines.outbox",
    "pipelines.probes",
    "pipelines.projects",
    "pipelines.people",
    "pipelines.screens",
    "pipelines.notifications",
    "pipelines.roster",
    "pipelines.registries",
    "pipelines.runs",
    "pipelines.services",
    "pipelines.caches",
    "pipelines.reports",
    "pipelines.schedules",
    "pipelines.deploys",
    "pipelines.retention",
    "pipelines.feeds",
    "pipelines.tallies",
    "runners",
    "server",
]

MIDDLEWARE = [
    "server.api.strays.problems_for_programs",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "server.policy.ContentPolicyMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "server.web.signing.required.SecondFactorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "server.urls"
ASGI_APPLICATION = "server.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "server" / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "django.templatetags.static",
                "server.web.templatetags.marks",
                "server.web.templatetags.words",
                "server.web.templatetags.ages",
                "server.web.templatetags.drawn",
                "server.web.templatetags.hostlines",
                "server.web.templatetags.soon",
                "server.web.templatetags.codehost",
                "server.web.templatetags.project_tabs",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "server.web.queue.waiting_number",
            ],
        },
    },
]

# SQLite with Django's defaults answers "database is locked" under a few writers; these options do not.
_SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": STATE_DIR / "slipway.sqlite3",
    "OPTIONS": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;"
        " PRAGMA cache_size=-20000;",
    },
}
DATABASES: dict[str, dict[str, Any]] = {"default": _SQLITE}
if url := env.str("DATABASE_URL", ""):
    DATABASES = {"default": _postgresql(url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SLIPWAY_URL.startswith("https://")
SESSION_COOKIE_SAMESITE = "Lax"

# Sign-in. allauth carries it through its steps (password or GitHub, then the second factor), axes counts wrong tries.
SLIPWAY_TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", 1 if env.bool("BEHIND_TLS_PROXY", False) else 0)
SLIPWAY_SECOND_FACTOR: str = env.str("SECOND_FACTOR", "optional")  # or "operators", or "all": who must have one
if SLIPWAY_SECOND_FACTOR not in ("optional", "operators", "all"):
    raise ImproperlyConfigured("SLIPWAY_SECOND_FACTOR is none of optional, operators and all")
SLIPWAY_GITHUB_CLIENT_ID: str = env.str("GITHUB_CLIENT_ID", "")
SLIPWAY_GITHUB_CLIENT_SECRET: str = keys.given(
    env.str("GITHUB_CLIENT_SECRET", ""), env.str("GITHUB_CLIENT_SECRET_FILE", "")
)
# Whose members get an account when they first sign in with GitHub; without any nobody gets one that way.
SLIPWAY_GITHUB_ORGANISATIONS: list[str] = env.list("GITHUB_ORGANISATIONS", [])
# Any server that speaks OpenID Connect; whether whoever it lets in gets an account here.
SLIPWAY_OIDC_URL: str = env.str("OIDC_URL", "").rstrip("/")
SLIPWAY_OIDC_NAME: str = env.str("OIDC_NAME", "single sign-on")
SLIPWAY_OIDC_MAKES_ACCOUNTS: bool = env.bool("OIDC_MAKES_ACCOUNTS", False)
_oidc_secret = keys.given(env.str("OIDC_CLIENT_SECRET", ""), env.str("OIDC_CLIENT_SECRET_FILE", ""))
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
ACCOUNT_ADAPTER = "server.web.signing.adapters.Accounts"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_REAUTHENTICATION_TIMEOUT, PASSWORD_RESET_TIMEOUT = 600, 1800
ACCOUNT_RATE_LIMITS = {"reset_password": "10/h/ip,3/h/key"}  # letters with a link, per address of either kind
SOCIALACCOUNT_ADAPTER = "server.web.signing.adapters.CodeHost"
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
SLIPWAY_GITHUB_API: str = env.str("GITHUB_API", "https://api.github.com").rstrip("/")
SOCIALACCOUNT_PROVIDERS = providers.github(
    SLIPWAY_GITHUB_API, SLIPWAY_GITHUB_CLIENT_ID, SLIPWAY_GITHUB_CLIENT_SECRET, SLIPWAY_GITHUB_ORGANISATIONS
) | providers.oidc(SLIPWAY_OIDC_URL, SLIPWAY_OIDC_NAME, env.str("OIDC_CLIENT_ID", ""), _oidc_secret)
MFA_ADAPTER = "server.web.signing.adapters.SecondFactor"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # clocks of telephones go wrong
MFA_RECOVERY_CODES_SHOW_ONCE = True
AXES_HANDLER = "server.web.signing.locks.Handler"
AXES_FAILURE_LIMIT: int = env.int("SIGN_IN_TRIES", 5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("SIGN_IN_LOCK_MINUTES", 15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "server.web.signing.locks.origin"
AXES_USERNAME_CALLABLE = "server.web.signing.locks.name"
AXES_LOCKOUT_CALLABLE = "server.web.signing.locks.show"
AXES_RESET_ON_SUCCESS = AXES_DISABLE_ACCESS_LOG = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = AXES_ENABLE_ADMIN = AXES_VERBOSE = False
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if env.bool("BEHIND_TLS_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT: Path = env.path("STORAGE_DIR", STATE_DIR / "storage")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = False

# One Redis: the doorbell of the queue and the hints to browsers. Without a URL `manage.py up` starts one of its own,
# that only this user can reach.
SLIPWAY_REDIS_URL: str = env.str("REDIS_URL", f"unix://{_own_redis_socket(STATE_DIR)}")
SLIPWAY_OWN_REDIS = not env.str("REDIS_URL", "")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # redis-py's own read timeout of 5 s would end every idle WebSocket, and with any a cancelled read can go on for
        # ever; the hub notices by itself when Redis hangs.
        "CONFIG": {"hosts": [{"address": SLIPWAY_REDIS_URL, "socket_timeout": None}], "capacity": 500, "expiry": 10},
    },
}
# django-rq: the dashboard in the admin. Workers and the bell use runners.queue.connections.
RQ_QUEUES: dict[str, dict[str, Any]] = {
    name: {"URL": SLIPWAY_REDIS_URL, "DEFAULT_TIMEOUT": 90000, "SERIALIZER": "rq.serializers.JSONSerializer"}
    for name in ("control", "plan", "stage", "deploy")
}
RQ_SHOW_ADMIN_LINK = True

# Nobody else works on these records: no other process is rung for, no browser told. For `slipway run`.
SLIPWAY_ALONE: bool = env.bool("ALONE", False)

# Runners
# Labels this server's containers, so that two servers on one engine leave each other's alone.
SLIPWAY_SERVER_ID: str = env.str("SERVER_ID", hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:12])
SLIPWAY_STAGE_WORKERS: int = env.int("STAGE_WORKERS", 4)
SLIPWAY_DEPLOY_WORKERS: int = env.int("DEPLOY_WORKERS", 2)
SLIPWAY_CONTROL_WORKERS: int = env.int("CONTROL_WORKERS", 2)
SLIPWAY_PORT: int = env.int("PORT", 8000)
SLIPWAY_BIND: str = env.str("BIND", "127.0.0.1")
SLIPWAY_DOCKER_HOST: str = env.str("DOCKER_HOST", "unix:///var/run/docker.sock")
SLIPWAY_MIRRORS_DIR: Path = env.path("MIRRORS_DIR", STATE_DIR / "mirrors")
SLIPWAY_LOCAL_CLONES: bool = env.bool("LOCAL_CLONES", True)  # may a project's clone URL be a path of this machine?
SLIPWAY_CA_BUNDLE: str = env.str("CA_BUNDLE", "")  # a file of certificates that stages trust too, behind a proxy
SLIPWAY_RUNNER_LABELS: list[str] = env.list("RUNNER_LABELS", [])  # what the stages may ask for that run here
# How many containers a stage worker has started for the stages that follow the one it runs; 0 for none.
SLIPWAY_PREPARE_AHEAD: int = env.int("PREPARE_AHEAD", 2)
SLIPWAY_STAGE_MEMORY_MB: int = env.int("STAGE_MEMORY_MB", 2048)
SLIPWAY_STAGE_CPUS: float = env.float("STAGE_CPUS", 2.0)
SLIPWAY_STAGE_PIDS: int = env.int("STAGE_PIDS", 1024)
SLIPWAY_STAGE_MEMORY_MB_MAX: int = env.int("STAGE_MEMORY_MB_MAX", 8192)  # more a pipeline file cannot ask for
SLIPWAY_STAGE_CPUS_MAX: float = env.float("STAGE_CPUS_MAX", 8.0)
SLIPWAY_CACHE_MB: int = env.int("CACHE_MB", 1024)  # one cache, as stored
SLIPWAY_CACHES_MB: int = env.int("CACHES_MB", 5120)  # all of a project; the least recently used go first
SLIPWAY_BUILD_CONTEXT_MB: int = env.int("BUILD_CONTEXT_MB", 2048)
SLIPWAY_LOG_LIMIT_MB: int = env.int("LOG_LIMIT_MB", 256)
SLIPWAY_POLL_SECONDS: int = env.int("POLL_SECONDS", 60)
# Where files and programs that list hosts may lie; none: such inventories are refused.
SLIPWAY_INVENTORY_DIRECTORY: Path | None = env.path("INVENTORY_DIRECTORY", None)

# How often each token, and each person's session, may ask the API in a minute; 0: as often as they like. Counted in
# the Redis of all processes where there is one; a server that has its own counts in its web process.
SLIPWAY_API_REQUESTS_A_MINUTE: int = env.int("API_REQUESTS_A_MINUTE", 600)
_IN_MEMORY = "django.core.cache.backends.locmem.LocMemCache"
CACHES: dict[str, dict[str, Any]] = {name: {"BACKEND": _IN_MEMORY, "LOCATION": name} for name in ("default", "limits")}
if not SLIPWAY_OWN_REDIS:
    CACHES["limits"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": SLIPWAY_REDIS_URL,
        "KEY_PREFIX": "slipway-limits",
        "OPTIONS": {"socket_timeout": 0.2, "socket_connect_timeout": 0.2},  # nobody waits for a count
    }

# Chat
SLIPWAY_SLACK_TOKEN: str = env.str("SLACK_TOKEN", "")
SLIPWAY_SLACK_API: str = env.str("SLACK_API", "https://slack.com/api/")

# Hosts inside that webhooks and apprise may go to all the same: names or addresses, as their URLs have them.
SLIPWAY_INTERNAL_HOSTS: list[str] = env.list("INTERNAL_HOSTS", [])

# Mail: through this server, if one is given.
SLIPWAY_MAIL_URL: str = env.str("MAIL_URL", "")
SLIPWAY_MAIL_FROM: str = env.str("MAIL_FROM", f"Slipway <slipway@{urlsplit(SLIPWAY_URL).hostname or 'localhost'}>")
EMAIL_TIMEOUT = 15
if SLIPWAY_MAIL_URL:
    EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL = _mail_server(
        SLIPWAY_MAIL_URL
    )

# Who may read /metrics besides operators: who shows this token as bearer, and who connects from these networks.
SLIPWAY_METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")
SLIPWAY_METRICS_ALLOW: list[Network] = _networks("METRICS_ALLOW", env.list("METRICS_ALLOW", []))
# How long browsers shall come back by TLS alone; 0: nobody is told. See docs/operations.md before setting it.
SECURE_HSTS_SECONDS: int = env.int("HSTS_SECONDS", 0)
# Django's, which do not hold here: TLS ends in the proxy, which redirects; whether subdomains have it, nobody knows.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W008", "security.W021"]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "server.formats"

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {"axes": {"level": "WARNING"}},  # what went well stands in the audit
}
