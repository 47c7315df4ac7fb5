"""The names under which messages travel. A name, once used, keeps its meaning for ever."""

GRANT = "toy_app.grant_gift"
PRINT = "toy_app.print_card"
RESUME = "toy_app.resume_gifts"
