"""Settings: one file, from the environment, failing at start with a sentence.

Without any environment Bantam runs embedded: SQLite, local files, no broker. `DATABASE_URL`, `REDIS_URL` and
`STORAGE_URL` switch each part to a service. docs/guides/running.md lists every variable.
"""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.templatetags.static import static
from django.urls import reverse_lazy

from config import csp, limits, nightly, npm
from config.environment import Environment
from config.files import storage_from_url
from config.secrets import load_secret_key

BASE_DIR = Path(__file__).resolve().parents[2]
env = Environment()

# --- Where things live -----------------------------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
NODE_MODULES = BASE_DIR / "node_modules"
JOBS_DIR = DATA_DIR / "jobs"

DEBUG = env.bool("DEBUG", default=False)
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
_base = urlsplit(BASE_URL)
if _base.scheme not in {"http", "https"} or not _base.hostname:
    raise environ.ImproperlyConfigured(
        f"BASE_URL must be an http(s) address such as https://bantam.example. Received: {BASE_URL!r}"
    )
HTTPS = _base.scheme == "https"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[_base.hostname, "127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [BASE_URL]

# --- Database --------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
_engine = DATABASES["default"]["ENGINE"]
if _engine == "django.db.backends.sqlite3":
    # Readers never block the one writer, and a writer waits for its turn instead of failing.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif _engine == "django.db.backends.postgresql":
    # Under ASGI a request may run in a thread of its own, which would keep its connection and never use it again.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
else:
    raise environ.ImproperlyConfigured(
        f"DATABASE_URL must start with postgres:// or sqlite:///. Received engine: {_engine}"
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# With services there may be several machines, which must share one key; alone, Bantam keeps one in DATA_DIR.
SECRET_KEY = load_secret_key(env.str("SECRET_KEY", default=""), DATA_DIR, shared=_engine.endswith("postgresql"))
# Older keys that still read what was signed or encrypted before SECRET_KEY was changed.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# --- Applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "apps.console",  # first: its templates win over those of the admin and of allauth
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "apps.accounts",  # before allauth: its templates win
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "csp",
    "django_htmx",
    "django_q",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "apps.analytics",
    "apps.delivery",
    "apps.training",
    "apps.models",
    "apps.datasets",
    "apps.jobs",
    "apps.projects",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.csp.foreign_scripts",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["apps.console.templatetags.console"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.console.context.navigation",
            ],
        },
    }
]

# --- Sign-in ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Bantam] "
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="optional")
if ACCOUNT_EMAIL_VERIFICATION not in {"optional", "mandatory", "none"}:
    raise environ.ImproperlyConfigured(
        f"EMAIL_VERIFICATION must be optional, mandatory or none. Received: {ACCOUNT_EMAIL_VERIFICATION!r}"
    )
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _base.scheme
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail for every change of password, address or second factor
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Bantam"
MFA_ADAPTER = "apps.accounts.second_factor.EncryptedSecrets"

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = EMAIL_CONFIG["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL_CONFIG.get("EMAIL_HOST", "")
EMAIL_PORT = EMAIL_CONFIG.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = EMAIL_CONFIG.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = EMAIL_CONFIG.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = EMAIL_CONFIG.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = EMAIL_CONFIG.get("EMAIL_USE_SSL", False)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Bantam <bantam@localhost>")

# Webhooks to http:// and to private addresses: for development and tests, where receivers run on this machine.
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)

# --- Security --------------------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("HSTS_SUBDOMAINS", default=False)
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", default=HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
if env.bool("BEHIND_PROXY", default=False):
    ALLAUTH_TRUSTED_PROXY_COUNT = 1  # sign-in attempts are counted by the client's address, not by the proxy's
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
_storage_origin = storage_from_url(env.str("STORAGE_URL", default=""), DATA_DIR).origin
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": list(csp.PREFIXES),
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", *_storage_origin],
        "connect-src": ["'self'", *_storage_origin],
        "style-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
    },
}

# --- Files -----------------------------------------------------------------------------------------------------------
MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "/media/"  # never served: downloads are signed links of the access door
STORAGES = {
    "default": storage_from_url(env.str("STORAGE_URL", default=""), DATA_DIR).backend,
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env.bool("STATIC_HASHED", default=not DEBUG)
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
FILE_UPLOAD_PERMISSIONS = 0o640
DEFAULT_QUOTA_BYTES = env.int("DEFAULT_QUOTA_BYTES", default=10 * 2**30)
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=20 * 2**30)
UPLOAD_EXPIRES_S = 24 * 3600
DOWNLOAD_EXPIRES_S = 3600

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
_packages = [(prefix, NODE_MODULES / folder) for prefix, (folder, _) in npm.PACKAGES.items()]
STATICFILES_DIRS = [BASE_DIR / "static", *((prefix, folder) for prefix, folder in _packages if folder.is_dir())]
STATICFILES_FINDERS = [
    "config.npm.ChosenFilesFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
ICONS_DIR = NODE_MODULES / "@tabler/icons/icons/outline"
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

# --- Cache, live updates ---------------------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise environ.ImproperlyConfigured(
        f"REDIS_URL must start with redis://, rediss:// or unix://. Received: {REDIS_URL!r}"
    )
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    # The layer waits 5 s for a message at a time; redis-py's own limit of 5 s for an answer would end idle websockets.
    _layer = {"hosts": [{"address": REDIS_URL, "socket_timeout": 30}]}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": _layer}}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# --- Jobs ------------------------------------------------------------------------------------------------------------
JOB_WORKERS = env.int("JOB_WORKERS", default=2)
JOB_LEASE_S = env.int("JOB_LEASE_S", default=30)
JOB_MAX_SECONDS = env.int("JOB_MAX_SECONDS", default=6 * 3600)
# Of one organization, at a time; 0: as many as there are workers. Operators set it for one organization in the admin.
JOB_MAX_RUNNING = env.int("JOB_MAX_RUNNING", default=0)
# A Ray cluster that trials of studies may run on: "host:port" of its head. Empty: none.
RAY_ADDRESS = env.str("RAY_ADDRESS", default="")
RAY_CPUS_PER_JOB = env.float("RAY_CPUS_PER_JOB", default=1.0)
JOB_MAX_ATTEMPTS = env.int("JOB_MAX_ATTEMPTS", default=3)
JOB_RETRY_S = env.int("JOB_RETRY_S", default=2)  # before the second attempt; four times as long before each further one
JOB_CANARY_S = env.int("JOB_CANARY_S", default=60)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # what a scrape of /metrics sends; empty: operators alone see it
JOB_SAVE_EVERY_S = env.int("JOB_SAVE_EVERY_S", default=600)  # what a training job has done so far
# Of a job that was stopped, so that it can be resumed: at most so much, for so long.
JOB_SAVED_WORK_BYTES = env.int("JOB_SAVED_WORK_MB", default=2048) * 1024 * 1024
JOB_SAVED_WORK_DAYS = env.int("JOB_SAVED_WORK_DAYS", default=14)
SANDBOX = env.str("SANDBOX", default="auto")
if SANDBOX not in {"auto", "bubblewrap", "landlock", "off"}:
    raise environ.ImproperlyConfigured(f"SANDBOX must be auto, bubblewrap, landlock or off. Received: {SANDBOX!r}")
SANDBOX_UID = env.int("SANDBOX_UID", default=65534)  # who a worker that runs as root lets jobs run as
SANDBOX_CGROUP = env.str("SANDBOX_CGROUP", default="")
SANDBOX_READABLE = env.list("SANDBOX_READABLE", default=[])
# The real TensorBoard, opened on a project's runs: how many at a time in this web process (0: none at all), after how
# many seconds without a look one ends, and how much memory one may need.
TENSORBOARD_MAX = limits.whole("TENSORBOARD_MAX", env.int("TENSORBOARD_MAX", default=4))
TENSORBOARD_IDLE_S = limits.whole("TENSORBOARD_IDLE_S", env.int("TENSORBOARD_IDLE_S", default=900))
TENSORBOARD_MEMORY_BYTES = limits.whole("TENSORBOARD_MEMORY_MB", env.int("TENSORBOARD_MEMORY_MB", default=1024)) * 2**20
# The event files that are kept of one run; what one TensorBoard reads, of how many runs.
TENSORBOARD_LOG_BYTES = limits.whole("TENSORBOARD_LOG_MB", env.int("TENSORBOARD_LOG_MB", default=64)) * 2**20
TENSORBOARD_FOLDER_BYTES = limits.whole("TENSORBOARD_FOLDER_MB", env.int("TENSORBOARD_FOLDER_MB", default=512)) * 2**20
TENSORBOARD_RUNS = limits.whole("TENSORBOARD_RUNS", env.int("TENSORBOARD_RUNS", default=50))
# The nightly clean-up of the storage: when (UTC), and from which age on a file that nothing needs is deleted.
CLEAN_UP_AT = nightly.time_of_day("CLEAN_UP_AT", env.str("CLEAN_UP_AT", default="03:00"))
ORPHAN_LEAST_S = 2 * max(UPLOAD_EXPIRES_S, JOB_MAX_SECONDS)
ORPHAN_AGE_S = nightly.safe_age("ORPHAN_AGE_S", env.int("ORPHAN_AGE_S", default=None), ORPHAN_LEAST_S)
# Each is one number for every kind of job, or "train=16384,check=2048": what is not named keeps its default.
JOB_LIMITS = {
    name: limits.by_kind(f"JOB_{name.upper()}", env.str(f"JOB_{name.upper()}", default=""), defaults)
    for name, defaults in limits.DEFAULTS.items()
}
# retry > timeout > the job's own limit: the queue never gives a running job to a second worker by itself.
Q_CLUSTER = {
    "name": "bantam",
    "orm": "default",
    "broker_class": "apps.jobs.broker.WorkerBroker",
    "workers": JOB_WORKERS,
    "queue_limit": 1,  # what this machine is too busy for stays where an idle one finds it
    "timeout": JOB_MAX_SECONDS + 300,
    "retry": JOB_MAX_SECONDS + 600,
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "poll": 0.5,
    "save_limit": 1000,
    "label": "Queue",
}

# --- API -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.projects.authentication.ServerKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["config.rendering.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": "config.metadata.Methods",
    "DEFAULT_PAGINATION_CLASS": "config.pagination.KeyPagination",
    "DEFAULT_SCHEMA_CLASS": "apps.projects.schema.GroupedSchema",
    "EXCEPTION_HANDLER": "config.errors.exception_handler",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
DEVICE_REQUESTS_PER_MINUTE = env.int("DEVICE_REQUESTS_PER_MINUTE", default=600)
if DEVICE_REQUESTS_PER_MINUTE < 0:
    raise environ.ImproperlyConfigured(
        f"DEVICE_REQUESTS_PER_MINUTE must be 0 (no limit) or more. Received: {DEVICE_REQUESTS_PER_MINUTE}"
    )
SPECTACULAR_SETTINGS = {
    "TITLE": "Bantam API",
    "DESCRIPTION": "The team API (`/api/v1/`: session or server key), the device API (`/api/device/v1/`: device key).",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The groups of apps/projects/schema.py, in the order of reading.
    "TAGS": [
        {"name": "Organizations", "description": "Tenants: their members, invitations and audit log."},
        {
            "name": "Projects and keys",
            "description": "Applications under development, and the keys of programs and devices.",
        },
        {"name": "Datasets", "description": "Uploads, and the immutable versions that are made of them."},
        {"name": "Training", "description": "Runs of a TrainingSpec on a dataset version."},
        {"name": "Models", "description": "Registered models, their versions and files."},
        {"name": "Jobs", "description": "Everything long-running: state, progress, log."},
        {
            "name": "Deployments and devices",
            "description": "Which version goes to which devices, and which devices there are.",
        },
        {"name": "Analytics", "description": "What devices reported."},
        {"name": "Device API", "description": "What an application asks with a device key."},
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "GET_LIB_DOC_EXCLUDES": "apps.projects.schema.bases_without_docs",
    # Fields of the same name with different choices get these names.
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": "apps.accounts.models.Role",
        "ApiKeyKindEnum": "apps.projects.models.ApiKey.Kind",
        "JobKindEnum": "apps.jobs.models.Job.Kind",
        "JobStateEnum": "apps.jobs.models.Job.State",
        "NoticeChoiceEnum": "apps.jobs.notices.models.NoticeChoice.Wants",
        "WebhookDeliveryStateEnum": "apps.jobs.notices.models.WebhookDelivery.State",
        "DatasetVersionStateEnum": "apps.datasets.models.DatasetVersion.State",
        "UploadStateEnum": "apps.datasets.models.Upload.State",
        "ModelVersionStateEnum": "apps.models.models.ModelVersion.State",
        "ArtifactKindEnum": "apps.models.models.Artifact.Kind",
        "TrainedModelRoleEnum": "apps.training.models.TrainedModel.Role",
        "StudyStateEnum": "apps.training.models.Study.State",
        "TrialStateEnum": "apps.training.models.Trial.State",
    },
}

# --- Operators' admin ------------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Bantam operators",
    "SITE_HEADER": "Bantam",
    "SITE_SUBHEADER": "Operators",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("img/bantam.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/bantam.svg")},
    ],
    "SHOW_HISTORY": False,
    "DASHBOARD_CALLBACK": "apps.console.admin_dashboard.dashboard_callback",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            {"items": [{"title": "Queue", "icon": "stacks", "link": reverse_lazy("admin:jobs_queue")}]},
        ],
    },
}

# --- The rest --------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SILENCED_SYSTEM_CHECKS: list[str] = []

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_passes": {"()": "apps.training.tensorboard.log_filter.WithoutPasses"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.request": {"filters": ["without_passes"]},
        "django.server": {"level": "WARNING", "filters": ["without_passes"]},
        "httpx": {"level": "WARNING"},
    },
}
