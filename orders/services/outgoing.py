"""What is owed to others than shoppers, and stands still: webhooks and mails to the staff."""

from orders.services.staff_mail import resume_staff_mails
from orders.services.webhooks_out import resume_deliveries


def resume_outgoing() -> int:
    """Send the next message again for what nobody has in hand; how many."""
    return resume_deliveries() + resume_staff_mails()
