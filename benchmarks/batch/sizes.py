"""The sizes of what Airflow stores in its database."""

from __future__ import annotations

import sqlalchemy

# Airflow deletes a trigger's row and its event as soon as the task resumes. So PostgreSQL itself records the
# sizes.
_RECORD = """
CREATE TABLE polly_sizes (what text, bytes integer);

CREATE FUNCTION polly_record_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO polly_sizes VALUES ('trigger row', octet_length(NEW::text));
    RETURN NULL;
END $$;

CREATE FUNCTION polly_record_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO polly_sizes VALUES ('event', octet_length(NEW.next_kwargs::text));
    RETURN NULL;
END $$;

CREATE TRIGGER polly_trigger AFTER INSERT ON trigger
FOR EACH ROW EXECUTE FUNCTION polly_record_trigger();

CREATE TRIGGER polly_event AFTER UPDATE OF next_kwargs ON task_instance
FOR EACH ROW WHEN (NEW.next_kwargs::text LIKE '%event%') EXECUTE FUNCTION polly_record_event();
"""


class StoredSizes:
    """Records the sizes of trigger rows, events and XComs.

    :param database_url: SQLAlchemy URL of Airflow's metadata database, on PostgreSQL, after its migration
    """

    def __init__(self, database_url: str) -> None:
        self._engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.pool.NullPool)
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text(_RECORD))

    def reset(self) -> None:
        """Forget the sizes of triggers and events recorded so far."""
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text("DELETE FROM polly_sizes"))

    def largest(self, dag_id: str, run_id: str) -> dict[str, int]:
        """Return the bytes of the largest trigger row, event and XCom.

        Triggers and events count since the last reset, XComs only for one run.

        :param dag_id: DAG whose XComs are measured
        :param run_id: run whose XComs are measured
        """
        xcom = sqlalchemy.text(
            "SELECT 'xcom', max(octet_length(value::text)) FROM xcom "
            "WHERE dag_id = :dag_id AND run_id = :run_id"
        )
        recorded = sqlalchemy.text("SELECT what, max(bytes) FROM polly_sizes GROUP BY what")
        with self._engine.connect() as connection:
            rows = [
                *connection.execute(recorded),
                *connection.execute(xcom, {"dag_id": dag_id, "run_id": run_id}),
            ]
        return {what: size for what, size in rows if size is not None}
