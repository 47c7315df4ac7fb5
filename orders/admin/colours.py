"""The colour of each state, wherever staff see it."""

STATUS_COLOURS = {
    "placed": "info",
    "paid": "success",
    "payment_failed": "warning",
    "expired": "danger",
    "pending": "info",
    "unknown": "warning",
    "captured": "success",
    "declined": "danger",
    "sent": "success",
    "packed": "success",
    "unfulfilled": "info",
}
