"""Who may do what in the back office: three groups, written by every ``migrate``.

The table is the truth: a group named here has exactly these permissions after a migration. Whoever
needs something else makes a group of another name, which is never touched.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission

_VIEWS = frozenset(
    f"orders.view_{model}"
    for model in (
        *("order", "payment", "refund", "shipment", "return", "notification", "invoice"),
        *("stockitem", "stockmovement", "salesday"),
    )
)
_CLERK = frozenset(
    {
        *_VIEWS,
        *("orders.ship_order", "orders.receive_return", "orders.resend_mail", "orders.ask_bank"),
        *("orders.receive_stock", "shop.view_product", "shop.view_variant", "shop.view_category"),
        *(
            f"flash_sales.view_{model}"
            for model in ("flashsale", "saleitem", "ticket", "rehearsal")
        ),
    }
)
_MANAGER = frozenset(
    {
        *_CLERK,
        *("orders.cancel_order", "orders.refund_order", "orders.correct_stock"),
        *("orders.export_orders", "orders.manage_endpoints", "orders.see_proof"),
        *("orders.view_webhookendpoint", "orders.view_webhookdelivery", "orders.view_webhookevent"),
        *("shop.add_product", "shop.change_product", "shop.add_variant", "shop.change_variant"),
        *("shop.delete_variant", "shop.add_category", "shop.change_category"),
        *("flash_sales.add_flashsale", "flash_sales.change_flashsale"),
        *("shop.view_account", "shop.view_accountmail"),
        *("tasks.view_deadletter", "tasks.view_deadletteraction", "tasks.redrive_deadletter"),
    }
)


@dataclass(frozen=True, slots=True)
class Role:
    """``sees_all``: may look at every list of the back office, besides ``permissions``."""

    permissions: frozenset[str]
    sees_all: bool = False


ROLES: dict[str, Role] = {
    "clerk": Role(_CLERK),
    "manager": Role(_MANAGER),
    # Looks at everything and changes nothing.
    "auditor": Role(frozenset({"orders.see_proof"}), sees_all=True),
}


def write_roles(app_config: AppConfig, using: str, **_: Any) -> None:
    """After the last application was migrated: each role gets what the table says, loses the rest.

    A receiver of ``post_migrate``, behind the one that makes the permissions.
    """
    if app_config is not _last_migrated():
        return
    there = {
        f"{label}.{codename}": pk
        for pk, label, codename in Permission.objects.using(using).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    rights = Group.permissions.through.objects.using(using)
    for name, role in ROLES.items():
        group, _new = Group.objects.using(using).get_or_create(name=name)
        wanted = {there[word] for word in granted(role, there) if word in there}
        held = set(rights.filter(group=group).values_list("permission_id", flat=True))
        if held - wanted:
            rights.filter(group=group, permission_id__in=held - wanted).delete()
        rights.bulk_create(
            (rights.model(group=group, permission_id=pk) for pk in sorted(wanted - held)),
            ignore_conflicts=True,
        )


def granted(role: Role, names: Iterable[str]) -> frozenset[str]:
    """The permissions of a role, of those that there are (``app.codename``) and of its own list."""
    views = (name for name in names if name.split(".")[1].startswith("view_"))
    return role.permissions | (frozenset(views) if role.sees_all else frozenset())


def _last_migrated() -> AppConfig:
    return [config for config in apps.get_app_configs() if config.models_module is not None][-1]
