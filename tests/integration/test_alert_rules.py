"""Alerts and dashboards speak of metrics that there are, and every alert has its runbook entry."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.locks import metrics as lock_metrics
from tasks.metrics import page  # noqa: F401  # all of the platform's metrics are declared
from tasks.metrics.meter import METER
from tasks.metrics.sources import Sources
from tests.contract.waiting import wait_until

pytestmark = pytest.mark.django_db

CHECKOUT = Path(__file__).resolve().parents[2]
DEPLOY = CHECKOUT / "ops" / "deploy"
# What PromQL itself says, and the labels that these files group by.
_WORDS = {
    *("sum", "max", "min", "by", "rate", "increase", "histogram_quantile", "absent", "or", "and"),
    *("task", "queue", "state", "reason", "family", "node", "group", "source", "outcome"),
    *("error_class", "le"),
}
_PROMETHEUS_OWN = {"up"}


def rules() -> list[dict[str, Any]]:
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    groups = YAML(typ="safe").load(text)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> Iterator[str]:
    for panel in json.loads((DEPLOY / "grafana" / "soldonce.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def names_in(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    return set(re.findall(r"[a-z_][a-z0-9_]+", bare)) - _WORDS


def counted() -> Iterator[str]:
    """Names as the page has them, for all that is declared."""
    for kind in METER._kinds.values():
        if kind.bounds:
            yield from histogram(kind.name)
        else:
            yield kind.name if kind.live else f"{kind.name}_total"
    for name in lock_metrics._HISTOGRAMS:
        yield from histogram(name)
    yield from (f"{name}_total" for name in lock_metrics._COUNTERS)
    yield "lock_leases_held"


def histogram(name: str) -> tuple[str, ...]:
    return f"{name}_bucket", f"{name}_count", f"{name}_sum"


@pytest.fixture
def known(declared_broker: None) -> set[str]:
    def asked() -> set[str]:
        return {metric.name for metric in Sources().collect()}

    wait_until(lambda: "queue_messages" in asked(), seconds=30)
    return {*counted(), *asked()} | _PROMETHEUS_OWN


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_there_are(rule: dict[str, Any], known: set[str]) -> None:
    asked = names_in(rule["expr"])
    assert asked
    assert asked <= known
    assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_has_its_entry_in_the_runbook(rule: dict[str, Any]) -> None:
    runbook = (CHECKOUT / "docs" / "runbook.md").read_text()
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    entry = re.search(rf"^### {rule['alert']}\n(.+?)(?=^#|\Z)", runbook, re.MULTILINE | re.DOTALL)
    assert entry is not None
    assert len(entry[1].strip()) > 20


def test_every_entry_under_alerts_is_an_alert() -> None:
    runbook = (CHECKOUT / "docs" / "runbook.md").read_text()
    entries = re.findall(r"^### (\w+)$", runbook.partition("\n## Alerts\n")[2], re.MULTILINE)
    assert sorted(entries) == sorted(rule["alert"] for rule in rules())


def test_the_dashboard_plots_metrics_that_there_are(known: set[str]) -> None:
    asked = set().union(*map(names_in, dashboard()))
    assert len(asked) > 15
    assert asked <= known


def test_every_metric_is_explained(known: set[str]) -> None:
    told = set(re.findall(r"`([a-z_]+)`", (CHECKOUT / "docs" / "monitoring.md").read_text()))
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known} - _PROMETHEUS_OWN
    assert {name for name in bare if not name.startswith("lock_")} <= told
