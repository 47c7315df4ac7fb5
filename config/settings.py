"""All settings, flat. What differs between places comes from the environment (.env.example)."""

from pathlib import Path
from typing import Any

import dj_database_url
from celery.schedules import schedule
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.back_office import unfold

BASE_DIR = Path(__file__).resolve().parent.parent

# -- who we are ---------------------------------------------------------------
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost")
SITE_URL = env.url("SITE_URL", ("http", "https"), "http://127.0.0.1:8000").rstrip("/")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", SITE_URL)
SHOP_NAME = env.text("SHOP_NAME", "Tidemark")
CURRENCY = env.text("CURRENCY", "EUR")
# On invoices and parcels. A comma ends a line.
SHOP_ADDRESS = env.text("SHOP_ADDRESS", f"{SHOP_NAME}, 1 Quay Street, 28195 Bremen, Germany")
SHOP_TAX_ID = env.text("SHOP_TAX_ID", "")
# Prices contain it. 0: none is charged, and invoices say so.
VAT_PERCENT = env.number("VAT_PERCENT", 19, low=0, high=50)
FLOWER_URL = env.url("FLOWER_URL", ("http", "https"), "")

# -- the application ----------------------------------------------------------
INSTALLED_APPS = [
    "unfold.contrib.import_export",  # stands before import_export for the same reason
    "unfold",  # must stand before django.contrib.admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "import_export",
    "tasks",
    "orders",
    "shop",
    "shop.flash_sales",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tasks.trace_middleware.TraceMiddleware",
    "shop.flash_sales.fast_lane.FastLaneMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shop.context.shop",
            ],
        },
    },
]
LANGUAGE_CODE = "en"
# What mails and papers are written in. The catalogs are kept by './dev messages'.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# Staff by their name in the admin, shoppers by their address in the shop; neither opens the other.
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "shop.accounts.backend.AccountBackend",
]
# How long a link in a mail about an account can be used.
ACCOUNT_LINK_SECONDS = env.whole("ACCOUNT_LINK_SECONDS", 4 * 3_600, low=1, high=7 * 86_400)
SALE_SAMPLES_KEPT_DAYS = env.whole("SALE_SAMPLES_KEPT_DAYS", 90, low=1, high=3_650)
ACCOUNT_MAILS_KEPT_DAYS = env.whole("ACCOUNT_MAILS_KEPT_DAYS", 30, low=1, high=3_650)
# How many proxies stand before this process and write X-Forwarded-For. 0: none is believed.
PROXY_COUNT = env.whole("PROXY_COUNT", 0, low=0, high=10)

# -- safety of the pages ------------------------------------------------------
_HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
# The secret order link must not leak to other sites through the Referer header.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Prometheus asks from this machine without TLS.
SECURE_REDIRECT_EXEMPT = [r"^metrics$"]
# Empty: only this machine may read /metrics.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
# Workers and relay answer /metrics on this port, where containers share no folder. 0: they do not.
METRICS_PORT = env.whole("METRICS_PORT", 0, low=0, high=65_535)
# prometheus_client reads the variable itself, before there are settings.
PROMETHEUS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR", "")
# Each process has its own; the check (python -m tasks.heartbeat) reads the variable itself.
HEARTBEAT_FILE = env.text("HEARTBEAT_FILE", "")
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144
CSRF_FAILURE_VIEW = "shop.views.errors.csrf_failure"

# -- PostgreSQL ---------------------------------------------------------------
_DATABASE_URL = env.url("DATABASE_URL", ("postgres", "postgresql"))
DATABASES: dict[str, Any] = {
    "default": {
        **dj_database_url.parse(_DATABASE_URL, conn_max_age=600, conn_health_checks=True),
        # Every wait has an end: a connection, a row lock, a statement, a forgotten transaction.
        "OPTIONS": {
            "connect_timeout": 5,
            "options": "-c lock_timeout=3000 -c statement_timeout=15000"
            " -c idle_in_transaction_session_timeout=30000",
        },
    }
}

# -- Redis: cache (may be lost) and locks (independent nodes) -----------------
_CACHE_URL = env.url("CACHE_URL", ("redis", "rediss", "unix"))
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": _CACHE_URL,
        "KEY_PREFIX": "soldonce",
        # A shop without its cache is slow, not closed.
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.3,
        },
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
LOCK_BACKEND = env.choice("LOCK_BACKEND", ("redlock", "postgres", "zookeeper"), "redlock")
LOCK_REDIS_URLS = (
    env.urls("LOCK_REDIS_URLS", ("redis", "rediss", "unix")) if LOCK_BACKEND == "redlock" else []
)
ZOOKEEPER_HOSTS = env.places("ZOOKEEPER_HOSTS") if LOCK_BACKEND == "zookeeper" else []
LOCK_FALLBACK = env.choice("LOCK_FALLBACK", ("postgres",), "")
if LOCK_FALLBACK and LOCK_BACKEND != "redlock":
    raise ImproperlyConfigured(
        f"LOCK_FALLBACK={LOCK_FALLBACK} stands in for lock nodes, and LOCK_BACKEND={LOCK_BACKEND} "
        "has none. Leave LOCK_FALLBACK empty, or set LOCK_BACKEND=redlock."
    )
LOCK_KEY_PREFIX = env.text("LOCK_KEY_PREFIX", "soldonce")
# Long enough for a slow page of garbage collection, short enough that a dead holder is not missed.
LOCK_TTL_SECONDS = env.number("LOCK_TTL_SECONDS", 10, low=0.5, high=300)
LOCK_NODE_TIMEOUT_SECONDS = env.number("LOCK_NODE_TIMEOUT_SECONDS", 0.25, low=0.005, high=5)
# PostgreSQL and ZooKeeper write to a disk before they answer.
LOCK_STORE_TIMEOUT_SECONDS = env.number("LOCK_STORE_TIMEOUT_SECONDS", 1, low=0.05, high=10)
# By then the leases that the lock nodes gave have ended.
LOCK_FALLBACK_AFTER_SECONDS = env.number(
    "LOCK_FALLBACK_AFTER_SECONDS", LOCK_TTL_SECONDS, low=0, high=300
)

# -- flash sales: the gate (may be lost, and is built again) --------------------
GATE_URL = env.url("GATE_URL", ("redis", "rediss", "unix"), _CACHE_URL)
GATE_KEY_PREFIX = env.text("GATE_KEY_PREFIX", "soldonce")
# Each within ten seconds; 0: any number. Many honest people may share the address of an office.
GATE_ASKS_PER_PERSON = env.whole("GATE_ASKS_PER_PERSON", 40, low=0, high=100_000)
GATE_CLICKS_PER_ADDRESS = env.whole("GATE_CLICKS_PER_ADDRESS", 600, low=0, high=1_000_000)
# Only where everything is private: a rehearsal sends an invented crowd, and may kill servers.
REHEARSALS = env.flag("REHEARSALS")

# -- the payment provider -----------------------------------------------------
STRIPE_API_KEY = env.text("STRIPE_API_KEY")
# Empty: the real Stripe. Set: a sandbox that speaks the same protocol.
STRIPE_API_BASE = env.url("STRIPE_API_BASE", ("http", "https"), "")
# Of the endpoint /webhooks/payments/ at the provider. Empty: it takes nothing.
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET", "")
# A webhook that was signed longer ago is refused: somebody may have kept it to send it again.
WEBHOOK_TOLERANCE_SECONDS = env.whole("WEBHOOK_TOLERANCE_SECONDS", 300, low=1, high=86_400)
PAYMENT_TIMEOUT_SECONDS = env.number("PAYMENT_TIMEOUT_SECONDS", 10, low=0.5, high=80)
# How long a payment operation that failed again and again is left alone before it is probed.
PAYMENT_BREAKER_OPEN_SECONDS = env.number("PAYMENT_BREAKER_OPEN_SECONDS", 10, low=0.1, high=600)

# -- orders -------------------------------------------------------------------
HOLD_SECONDS = env.whole("HOLD_SECONDS", 15 * 60, low=1, high=7 * 86_400)
STUCK_AFTER_SECONDS = env.whole("STUCK_AFTER_SECONDS", 120, low=1, high=86_400)

# How long before the end of a hold its shopper is reminded.
REMIND_BEFORE_SECONDS = env.whole("REMIND_BEFORE_SECONDS", 5 * 60, low=1, high=86_400)
# How long after a parcel was sent its things may be announced as coming back.
RETURN_WINDOW_DAYS = env.whole("RETURN_WINDOW_DAYS", 30, low=1, high=730)
# When an announced return that never arrived is closed.
RETURN_DAYS = env.whole("RETURN_DAYS", 30, low=1, high=730)
# From when on the order desk says that somebody should look: a paid order that was not shipped, a
# bank that has not answered.
SHIP_WITHIN_HOURS = env.whole("SHIP_WITHIN_HOURS", 48, low=1, high=8_760)
BANK_PATIENCE_MINUTES = env.whole("BANK_PATIENCE_MINUTES", 30, low=1, high=10_080)

# -- other systems that listen (docs/webhooks.md) -------------------------------
WEBHOOK_OUT_TIMEOUT_SECONDS = env.number("WEBHOOK_OUT_TIMEOUT_SECONDS", 10, low=0.5, high=60)
WEBHOOK_OUT_GIVE_UP_SECONDS = env.whole(
    "WEBHOOK_OUT_GIVE_UP_SECONDS", 86_400, low=1, high=7 * 86_400
)
# Private and loopback addresses: an endpoint there could be made to reach what stands behind us.
WEBHOOK_OUT_PRIVATE = env.flag("WEBHOOK_OUT_PRIVATE")

# Signs the reports of 'manage.py audit' and of the admin. Empty: no report can be filed.
PROOF_KEY = env.text("PROOF_KEY", "")

# -- mail ---------------------------------------------------------------------
# Who is told about low stock; empty: nobody.
STAFF_EMAILS = env.words("STAFF_EMAILS")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"{SHOP_NAME} <orders@localhost>")
# The right-hand side of every Message-ID: stable, whatever host sends.
MAIL_DOMAIN = env.text("MAIL_DOMAIN", "localhost.localdomain")
MAIL_DIR = env.text("MAIL_DIR", "")
EMAIL_BACKEND = (
    "orders.gateways.mail_folder.FolderBackend"
    if MAIL_DIR
    else "django.core.mail.backends.smtp.EmailBackend"
)
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.whole("EMAIL_PORT", 25, low=1, high=65_535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = 10

# -- the task platform --------------------------------------------------------
# One queue per class of work, so that slow mail never stands before money. This is the one place
# where tasks and queues meet; tasks.topology derives exchanges, routing keys and dead queues.
TASK_QUEUES = {
    "orders.capture_payment": "orders.payment",
    "orders.deduct_inventory": "orders.inventory",
    "orders.send_notification": "orders.notification",
    "orders.send_staff_mail": "orders.notification",
    "orders.deliver_webhook": "orders.webhook",
    "orders.resume_outgoing": "orders.maintenance",
    "orders.tell_low_stock": "orders.maintenance",
    "orders.send_exports": "orders.maintenance",
    "orders.handle_webhook": "orders.payment",
    "shop.send_account_mail": "orders.notification",
    "shop.resume_account_mails": "orders.maintenance",
    "orders.erase_ended_orders": "orders.maintenance",
    "orders.expire_holds": "orders.maintenance",
    "orders.resume_stuck_orders": "orders.maintenance",
    "orders.resume_webhooks": "orders.maintenance",
    "orders.move_refund": "orders.payment",
    "orders.recheck_payment": "orders.payment",
    "orders.remind_of_holds": "orders.maintenance",
    "orders.lapse_returns": "orders.maintenance",
    "tasks.collect_dead_letters": "orders.maintenance",
    "tasks.watch_outbox": "orders.maintenance",
    "tasks.prune_old_rows": "orders.maintenance",
}
BROKER_URL = env.url("BROKER_URL", ("amqp", "amqps"))
BROKER_API_URL = env.url("BROKER_API_URL", ("http", "https"), "")
OUTBOX_MAX_KWARGS_BYTES = env.whole("OUTBOX_MAX_KWARGS_BYTES", 65_536, low=256, high=16_777_216)
# A codec of kombu's that every consumer has too; empty: nothing is compressed.
OUTBOX_COMPRESSION = env.text("OUTBOX_COMPRESSION", "")
OUTBOX_COMPRESS_OVER_BYTES = env.whole("OUTBOX_COMPRESS_OVER_BYTES", 8_192, low=1, high=16_777_216)
RELAY_BATCH_SIZE = env.whole("RELAY_BATCH_SIZE", 500, low=1, high=5_000)
# Twice this stays below PostgreSQL's limit for an idle transaction, in which the relay waits.
RELAY_CONFIRM_TIMEOUT_SECONDS = env.number("RELAY_CONFIRM_TIMEOUT_SECONDS", 10, low=0.5, high=14)
# From when on messages that wait in the outbox are an alarm.
OUTBOX_OLD_SECONDS = env.number("OUTBOX_OLD_SECONDS", 60, low=1, high=86_400)
DEAD_LETTERS_KEPT_DAYS = env.whole("DEAD_LETTERS_KEPT_DAYS", 90, low=1, high=3_650)
WEBHOOKS_KEPT_DAYS = env.whole("WEBHOOKS_KEPT_DAYS", 30, low=1, high=3_650)
# Rows of the application that 'tasks.prune_old_rows' deletes: model, column with the time of their
# end, days after it.
RETENTIONS = [
    ("orders.WebhookEvent", "handled_at", WEBHOOKS_KEPT_DAYS),
    ("shop.AccountMail", "settled_at", ACCOUNT_MAILS_KEPT_DAYS),
    ("flash_sales.SaleSample", "at", SALE_SAMPLES_KEPT_DAYS),
]

# -- the event stream (docs/events) -------------------------------------------
# Empty: no events are written. The URL is checked by tasks.events.checks.
EVENT_SINK_URL = env.text("EVENT_SINK_URL", "")
# What 'manage.py consume_events --group NAME' runs.
EVENT_HANDLERS = {"sales": "orders.services.sales.record_sale"}

CELERY_BROKER_URL = BROKER_URL
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = False
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_TRACK_STARTED = True
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_CONSUMER = "tasks.consumer:PlatformConsumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.number("WORKER_STOP_SECONDS", 10, low=0.5, high=600)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_CONNECTION_TIMEOUT = 5
CELERY_BROKER_HEARTBEAT = 10
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "tasks.heartbeat_celery:HeartbeatScheduler"
# Beat looks up at least so often, or its heartbeat would depend on the schedule.
CELERY_BEAT_MAX_LOOP_INTERVAL = 10
CELERY_BEAT_SCHEDULE = {
    name: {
        "task": name,
        "schedule": schedule(run_every=seconds),
        # A sweep that waited while the workers were down is worth nothing: the next does it all.
        "options": {"expires": seconds * 2},
    }
    for name, seconds in {
        "orders.expire_holds": env.number("EXPIRE_EVERY_SECONDS", 15, low=1, high=3_600),
        "orders.resume_stuck_orders": env.number("RESUME_EVERY_SECONDS", 30, low=1, high=3_600),
        "orders.resume_webhooks": env.number("RESUME_EVERY_SECONDS", 30, low=1, high=3_600),
        "shop.resume_account_mails": env.number("RESUME_EVERY_SECONDS", 30, low=1, high=3_600),
        "orders.erase_ended_orders": env.number("ERASE_EVERY_SECONDS", 3_600, low=1, high=86_400),
        "orders.remind_of_holds": env.number("REMIND_EVERY_SECONDS", 30, low=1, high=3_600),
        "orders.lapse_returns": env.number("LAPSE_EVERY_SECONDS", 3_600, low=1, high=86_400),
        "orders.resume_outgoing": env.number("RESUME_OUTGOING_SECONDS", 60, low=1, high=3_600),
        "orders.tell_low_stock": env.number("LOW_STOCK_EVERY_SECONDS", 60, low=1, high=86_400),
        "orders.send_exports": env.number("EXPORTS_EVERY_SECONDS", 60, low=1, high=3_600),
        "tasks.collect_dead_letters": env.number("COLLECT_EVERY_SECONDS", 15, low=1, high=3_600),
        "tasks.watch_outbox": env.number("WATCH_EVERY_SECONDS", 15, low=1, high=3_600),
        "tasks.prune_old_rows": env.number("PRUNE_EVERY_SECONDS", 3_600, low=1, high=86_400),
    }.items()
}

# -- the admin ----------------------------------------------------------------
UNFOLD = unfold(SHOP_NAME, FLOWER_URL)
IMPORT_EXPORT_SKIP_ADMIN_LOG = True  # the ledger says who and why

# -- logs ---------------------------------------------------------------------
# Empty: no spans, and no package of OpenTelemetry is loaded.
OTEL_EXPORTER_OTLP_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", ("http", "https"), "")
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    raise ImproperlyConfigured(f"LOG_LEVEL={LOG_LEVEL} is no level: DEBUG, INFO, WARNING or ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "tasks.tracing.json_formatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
}
