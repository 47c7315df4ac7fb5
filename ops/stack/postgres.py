"""A private PostgreSQL server: its first data folder, its configuration, its role and database."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg2
from psycopg2 import sql

from ops.stack import programs
from ops.stack.credentials import SERVER_USER
from ops.stack.errors import NotReady, StackError
from ops.stack.layout import Layout, open_to_all
from ops.stack.ports import LOOPBACK

SUPERUSER = "postgres"
# PostgreSQL refuses to run as root, so under root it runs as this user of the system.
SYSTEM_USER = "postgres"


def system_user() -> str | None:
    """Whom the server runs as, when not as ourselves."""
    return SYSTEM_USER if os.geteuid() == 0 else None


def configuration(port: int) -> str:
    """postgresql.conf. Durability stays on everywhere: tests that kill processes count on it."""
    return f"""\
listen_addresses = '{LOOPBACK}'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
shared_preload_libraries = 'pg_stat_statements'
password_encryption = scram-sha-256
log_line_prefix = '%m [%p] '
log_lock_waits = on
"""


def command(layout: Layout) -> list[str]:
    data = layout.data("postgres")
    return [
        str(programs.command("PostgreSQL", "postgres")),
        *("-D", str(data)),
        *("-c", f"config_file={data / 'stack.conf'}"),
    ]


def create_data(layout: Layout, port: int, password: str) -> None:
    """Run initdb when there is no data folder yet, and write the configuration.

    Raises:
        StackError: initdb failed, or the system's user cannot reach the folder.
    """
    data = layout.data("postgres")
    if system_user() and not open_to_all(layout.folder):
        raise StackError(
            f"The user {SYSTEM_USER} cannot enter {layout.folder}, and PostgreSQL does not run as "
            "root. Point STACK_HOME at a folder that all users may pass through."
        )
    if not data.exists():
        _initdb(layout, data, password)
    config = data / "stack.conf"
    config.write_text(configuration(port), encoding="utf-8")
    if user := system_user():
        shutil.chown(config, user, pwd.getpwnam(user).pw_gid)


def _initdb(layout: Layout, data: Path, password: str) -> None:
    # Made beside its place and renamed, so that an interrupted initdb leaves no half data folder.
    new, secret = layout.data("postgres.new"), layout.data("postgres.password")
    shutil.rmtree(new, ignore_errors=True)
    secret.unlink(missing_ok=True)
    new.mkdir(mode=0o700)
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    user = system_user()
    if user:
        shutil.chown(new, user)
        shutil.chown(secret, user)
    try:
        run = subprocess.run(
            [
                str(programs.command("PostgreSQL", "initdb")),
                *("--pgdata", str(new), "--username", SUPERUSER, "--pwfile", str(secret)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd="/",
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        secret.unlink(missing_ok=True)
    if run.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise StackError(
            f"PostgreSQL's initdb failed:\n{run.stderr.strip()}\n"
            f"Repair that, or set DATABASE_URL to a server that runs already."
        )
    new.rename(data)


def _connect(port: int, credentials: Mapping[str, str]) -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host=LOOPBACK,
        port=port,
        user=SUPERUSER,
        password=credentials["postgres_superuser"],
        dbname="postgres",
        connect_timeout=3,
    )


def probe(port: int, credentials: Mapping[str, str]) -> None:
    """Raises NotReady while the server refuses connections."""
    try:
        _connect(port, credentials).close()
    except psycopg2.Error as error:
        raise NotReady(str(error).strip()) from None


def statements_run(port: int, credentials: Mapping[str, str]) -> int:
    """How many SQL statements the application's role has run since the server was started."""
    connection = _connect(port, credentials)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            cursor.execute(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
                " JOIN pg_roles ON pg_roles.oid = userid WHERE rolname = %s",
                [SERVER_USER],
            )
            (calls,) = cursor.fetchone() or (0,)
    finally:
        connection.close()
    return int(calls)


def create_database(port: int, credentials: Mapping[str, str]) -> None:
    """Create the application's role and database when they are missing. Safe to repeat.

    The role may create databases, because Django's test runner makes one of its own.
    """
    role = sql.Identifier(SERVER_USER)
    connection = _connect(port, credentials)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [SERVER_USER])
            if cursor.fetchone() is None:
                cursor.execute(
                    sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                        role, sql.Literal(credentials["postgres"])
                    )
                )
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [SERVER_USER])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    finally:
        connection.close()
