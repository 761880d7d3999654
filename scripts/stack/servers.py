"""Temporary data on running servers: a PostgreSQL database and Redis keys that are deleted afterwards."""

import contextlib
import os
import uuid
from collections.abc import Iterator

import sqlalchemy

POSTGRESQL = os.environ.get("POSTGRESQL", "postgresql+psycopg2://postgres@127.0.0.1:5432")
REDIS = os.environ.get("REDIS", "redis://127.0.0.1:6379/0")


@contextlib.contextmanager
def throwaway_database(server_url: str = POSTGRESQL) -> Iterator[str]:
    """Create a database, yield its URL, and delete the database at the end of the block.

    :param server_url: SQLAlchemy URL of a PostgreSQL server
    """
    name = f"polly_{uuid.uuid4().hex[:12]}"
    url = sqlalchemy.make_url(server_url)
    engine = sqlalchemy.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@contextlib.contextmanager
def throwaway_keys(server_url: str = REDIS) -> Iterator[str]:
    """Yield a prefix for keys in Redis, and delete the keys with this prefix at the end of the block."""
    # The redis package is only in the environments with Celery.
    import redis

    prefix = f"polly_{uuid.uuid4().hex[:12]}_"
    with redis.Redis.from_url(server_url) as client:
        client.ping()
        try:
            yield prefix
        finally:
            if keys := list(client.scan_iter(f"{prefix}*")):
                client.delete(*keys)
