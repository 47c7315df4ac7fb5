"""The shop's own settings; only the addresses are more: those of the plainer views."""

from config.settings import *  # noqa: F403  # settings are inherited so

ROOT_URLCONF = "ops.bench.gate_urls"
