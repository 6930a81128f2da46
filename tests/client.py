"""A small client of the API for tests: paths below /api/v1, a token, JSON in and out."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class Client:
    """`get` and `post` give the response; `made` and `read` insist on success and give its JSON."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> TestResponse:
        """GET."""
        return self._client.get(f"/api/v1{path}", query_string=query, headers=self._headers)

    def post(self, path: str, body: Any = None, key: str | None = None) -> TestResponse:
        """POST JSON, with an Idempotency-Key when given."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        return self._client.post(f"/api/v1{path}", json=body if body is not None else {}, headers=headers)

    def read(self, path: str, **query: Any) -> Any:
        """GET that succeeds."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def made(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """POST that succeeds."""
        answer = self.post(path, body, key)
        assert answer.status_code in {200, 201}, answer.get_data(as_text=True)
        return answer.get_json()
