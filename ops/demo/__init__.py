"""The demo: orders through the web checkout, and the audit of what became of them."""
