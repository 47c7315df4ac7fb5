"""What a stranger wrote who had only docs/writing-a-task.md: gifts of points for a club's members.

Its files are the document's code blocks; tests/integration/test_writing_a_task.py compares them.
The processes that run it are the project's own: ``celery -A config``, ``manage.py relay``, with
``DJANGO_SETTINGS_MODULE=tests.integration.toy_app.settings``.
"""
