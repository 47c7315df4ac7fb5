"""What is sent to the provider. A key and what was sent with it belong together: the same request
must come out the same, whenever and wherever it is made again."""

from stripe.params import PaymentIntentCreateParams, RefundCreateParams

from orders.gateways.payment import CaptureRequest, RefundRequest


def intent_params(request: CaptureRequest) -> PaymentIntentCreateParams:
    return {
        "amount": request.amount_cents,
        "currency": request.currency.lower(),
        "payment_method": request.payment_method,
        "confirm": True,
        # Cards only: their check is a page to go to and to come back from.
        "allowed_payment_method_types": ["card"],
        "return_url": request.return_url,
        "description": request.description,
        "metadata": {
            "order_number": request.order_number,
            "payment_id": str(request.payment_id),
            "idempotency_key": request.idempotency_key,
        },
        "expand": ["latest_charge"],
    }


def refund_params(request: RefundRequest) -> RefundCreateParams:
    return {
        "payment_intent": request.payment_reference,
        "amount": request.amount_cents,
        "metadata": {
            "order_number": request.order_number,
            "payment_id": str(request.payment_id),
            "refund_id": str(request.refund_id),
            "idempotency_key": request.idempotency_key,
        },
    }
