"""Airflow 3's metadata through its stable REST API, except for the states of runs and tasks."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from scripts.stack.states import RunStates

_PAGE = 100
_SECONDS = 30
_TRIGGER_REPETITIONS = 3
_BETWEEN_TRIGGERS_SECONDS = 1.0


class RestMetadata(RunStates):
    """A client for a stack's API server.

    :param base_url: URL of the API server
    :param database_url: SQLAlchemy URL of the metadata database
    :param login: name and password of an administrator; None if every visitor is an administrator
    """

    def __init__(self, base_url: str, database_url: str, login: tuple[str, str] | None = None) -> None:
        super().__init__(database_url)
        self._login = login
        # Ignore the proxy settings of the machine, because the API server is on the loopback interface.
        self._http = httpx.Client(base_url=base_url, timeout=_SECONDS, trust_env=False)

    def is_up(self) -> bool:
        """Return whether the API server responds."""
        try:
            return self._http.get("/api/v2/version").is_success
        except httpx.TransportError:
            return False

    def knows_dag(self, dag_id: str) -> bool:
        """Return whether the DAG has been parsed."""
        answer = self._request("GET", f"/dags/{dag_id}", missing_is_fine=True)
        return answer is not None and not answer["is_stale"]

    def import_errors(self) -> list[str]:
        """Return the stack traces of the DAG files that could not be imported."""
        return [error["stack_trace"] for error in self._pages("/importErrors", "import_errors")]

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a DAG run."""
        body = {"dag_run_id": run_id, "conf": dict(conf), "logical_date": None}
        for repeated in range(_TRIGGER_REPETITIONS + 1):
            try:
                self._request("POST", f"/dags/{dag_id}/dagRuns", body)
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                if repeated and status == httpx.codes.CONFLICT:
                    return
                # On SQLite, another writer can lock the database for too long. So repeat the request. The run
                # id prevents a second run.
                if not httpx.codes.is_server_error(status) or repeated == _TRIGGER_REPETITIONS:
                    raise
                time.sleep(_BETWEEN_TRIGGERS_SECONDS)
            else:
                return

    def trigger_all(self, run_ids: Mapping[str, str], confs: Mapping[str, Mapping[str, Any]]) -> None:
        """Start a run of each DAG."""
        for dag_id, run_id in run_ids.items():
            self.trigger(dag_id, run_id, confs[dag_id])

    def xcoms(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        """Return every XCom of a task instance, by key."""
        entries = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries"
        which = {"map_index": map_index}
        return {
            entry["key"]: self._request("GET", f"{entries}/{entry['key']}", params=which)["value"]
            for entry in self._pages(entries, "xcom_entries", which)
        }

    def add_connections(self, connections: Mapping[str, Mapping[str, Any]]) -> None:
        """Store connections in the metadata database."""
        for connection_id, fields in connections.items():
            body = {"connection_id": connection_id, **fields}
            if isinstance(body.get("extra"), Mapping):
                body["extra"] = json.dumps(body["extra"])
            self._request("POST", "/connections", body)

    def close(self) -> None:
        """Close the connections to the API server and the database."""
        self._http.close()
        super().close()

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        missing_is_fine: bool = False,
    ) -> Any:
        if "Authorization" not in self._http.headers:
            self._http.headers["Authorization"] = f"Bearer {self._token()}"
        answer = self._http.request(method, f"/api/v2{path}", json=body, params=params)
        if missing_is_fine and answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().json()

    def _token(self) -> str:
        if self._login is None:
            answer = self._http.get("/auth/token")
        else:
            name, password = self._login
            answer = self._http.post("/auth/token", json={"username": name, "password": password})
        token: str = answer.raise_for_status().json()["access_token"]
        return token

    def _pages(
        self, path: str, key: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._request("GET", path, params={**(params or {}), "limit": _PAGE, "offset": offset})
            yield from page[key]
            offset += _PAGE
            if offset >= page["total_entries"]:
                return
