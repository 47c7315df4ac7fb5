"""Settings for commands that read the settings and talk to no server."""

import secrets

# A port on which nothing listens, so that a connection made by mistake fails at once.
_NOWHERE = "127.0.0.1:9"


def settings() -> dict[str, str]:
    """Every variable that has no default, in the manner of production; the key is random."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "SITE_URL": "https://shop.example",
        "ALLOWED_HOSTS": "shop.example",
        "DATABASE_URL": f"postgres://nobody@{_NOWHERE}/nothing",
        "BROKER_URL": f"amqp://nobody@{_NOWHERE}//",
        "LOCK_REDIS_URLS": f"redis://{_NOWHERE}/0",
        "CACHE_URL": f"redis://{_NOWHERE}/0",
        "GATE_URL": f"redis://{_NOWHERE}/0",
        "STRIPE_API_KEY": f"sk_test_{secrets.token_hex(8)}",
    }
