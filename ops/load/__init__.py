"""Shoppers and staff at once, against a running stack: who waits for whom, and does it end well."""
