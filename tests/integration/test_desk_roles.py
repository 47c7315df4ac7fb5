"""Every address of the back office: which role may look, and which may press its button.

A new address without a row here fails: say who may, then build it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from orders import roles
from orders.models import Notification, Order, Payment, Refund, Return, Shipment, StockMovement
from orders.services.refund import RequestRefund, request_refund
from orders.services.returns import announce_return
from orders.services.timeline import SHOPPER
from tasks.models import DeadLetter
from tests.integration.desk import filled, packed, pay_twice, plain_files, shipped, staff
from tests.integration.shopping import placed

pytestmark = pytest.mark.django_db
