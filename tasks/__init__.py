"""The task platform: outbox, relay, guard, retries, dead letters.

It knows no order and no product and can be used in any Django project that has Celery. The Celery
tasks for payment, inventory and notification are not here but in ``orders/tasks.py``: the outbox
row of the next step is written inside the order's own transaction, so ``orders`` must import this
package, and an arrow back would close a circle.
"""
