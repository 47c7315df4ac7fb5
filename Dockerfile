# The application: web, relay, workers, beat and Flower run from this one image.
FROM python:3.12-slim AS application
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/app
# Pango sets the type of invoices and packing slips; its package brings a font.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpangoft2-1.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt requirements-otel.txt constraints.txt ./
RUN pip install -r requirements.txt -r requirements-otel.txt -c constraints.txt
# Volumes take their owner from the folder they are mounted on.
RUN useradd --system --home-dir /srv --shell /usr/sbin/nologin app \
    && install -d -o app -g app /srv/static /srv/mail /srv/beat
COPY manage.py ./
COPY config ./config
COPY locale ./locale
COPY tasks ./tasks
COPY orders ./orders
COPY shop ./shop
COPY ops ./ops
USER app
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "config.wsgi:application", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "--respawn-failed-workers"]

# The payment sandbox, for development only.
FROM application AS sandbox
USER root
RUN pip install starlette -c constraints.txt && install -d -o app -g app /srv/sandbox
USER app
EXPOSE 8000
CMD ["granian", "--interface", "asgi", "ops.sandbox.app:app", "--host", "0.0.0.0", "--port", "8000", "--workers", "1"]
