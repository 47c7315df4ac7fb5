"""The event stream: what happened, told to whoever wants to know, in order and without loss.

``emit`` writes an event beside the change that it tells of, in the same transaction. The relay
(``manage.py relay_events``) hands it to the sink that ``settings.EVENT_SINK_URL`` chooses; a
consumer (``manage.py consume_events``) reads it again. docs/events says what is guaranteed.
"""
