"""The names under which tasks travel. A name, once used, keeps its meaning for ever."""

CAPTURE_PAYMENT = "orders.capture_payment"
DEDUCT_INVENTORY = "orders.deduct_inventory"
SEND_NOTIFICATION = "orders.send_notification"
EXPIRE_HOLDS = "orders.expire_holds"
RESUME_STUCK_ORDERS = "orders.resume_stuck_orders"
ERASE_ENDED_ORDERS = "orders.erase_ended_orders"
