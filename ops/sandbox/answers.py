"""Answers and errors in the shapes that Stripe's API documents."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP: a status, a JSON object, and headers beyond the usual ones."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A refusal in Stripe's error shape: ``{"error": {"type": …, "code": …, "message": …}}``."""

    def __init__(self, status: int, kind: str, message: str, **extra: object) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message, **extra}

    def answer(self) -> Answer:
        return Answer(self.status, {"error": self.error})


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the request can never work as it stands."""
    extra = {name: text for name, text in (("param", param), ("code", code)) if text}
    return ApiError(400, "invalid_request_error", message, **extra)


def missing(noun: str, object_id: str, *, param: str, status: int = 400) -> ApiError:
    """No object of that id: 404 when the URL names it, 400 when a parameter does."""
    message = f"No such {noun}: '{object_id}'"
    return ApiError(status, "invalid_request_error", message, param=param, code="resource_missing")


def unauthorized(message: str) -> ApiError:
    return ApiError(401, "invalid_request_error", message)


def key_in_use(key: str) -> ApiError:
    """409: another request with the same idempotency key has not ended yet."""
    return ApiError(
        409,
        "idempotency_error",
        f"Another request with the idempotency key '{key}' is in progress. Ask again in a moment.",
        code="idempotency_key_in_use",
    )


def key_reused(key: str) -> ApiError:
    """400: the idempotency key came with other parameters, or to another URL, the first time."""
    return ApiError(
        400,
        "idempotency_error",
        f"The idempotency key '{key}' was first used with other parameters. "
        "Use a new key for a new request.",
    )


def rate_limited() -> ApiError:
    return ApiError(
        429, "invalid_request_error", "Too many requests. Ask again later.", code="rate_limit"
    )


def server_error() -> ApiError:
    return ApiError(500, "api_error", "Something went wrong inside the payment sandbox.")


def unavailable() -> ApiError:
    return ApiError(503, "api_error", "The payment sandbox is in mode 'down'.")


def gave_up() -> ApiError:
    """504: the end of a hang for a client more patient than the hang is long."""
    return ApiError(504, "api_error", "The payment sandbox hung as asked. Nothing was done.")
