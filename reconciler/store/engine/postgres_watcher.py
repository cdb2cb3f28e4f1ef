"""Hears of every commit on a PostgreSQL database by LISTEN on a connection of its own."""

import time
from typing import Any

from sqlalchemy import URL

from reconciler.core.base.errors import Unavailable
from reconciler.store.engine.deadline import within

CHANNEL = "reconciler_changed"
MOST_WORDS = 1_000
_RETRY_SECONDS = 5.0
_CONNECT_SECONDS = 2


class Listener:
    """`changed()` never waits for a notification; after a broken connection it says "poll".

    While the server is away, it tries to connect again every 5 s and blocks at most 2 s for that.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: Any = self._listen()
        self._retry_at = 0.0
        self._words: list[str] = []

    def changed(self) -> bool:
        """Whether a write was announced since the last call."""
        import psycopg  # only where PostgreSQL is used

        if self._connection is None:
            return self._reconnect()
        try:
            heard = [notice.payload for notice in self._connection.notifies(timeout=0)]
        except psycopg.Error:
            self.close()
            return True  # what was announced meanwhile is lost
        self._words += [word for word in heard if word]
        del self._words[:-MOST_WORDS]
        return "" in heard

    def announced(self) -> list[str]:
        """The words that were heard since the last call, the latest `MOST_WORDS`."""
        words, self._words = self._words, []
        return words

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _reconnect(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._connection = self._listen()
        except Unavailable:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return False
        return True

    def _listen(self) -> Any:
        import psycopg

        from reconciler.store.engine.postgres_connection import connect

        try:
            connection = connect(self._url, _CONNECT_SECONDS)
            try:
                with within(_CONNECT_SECONDS):
                    connection.execute(f"LISTEN {CHANNEL}")
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            shown = self._url.set(query={}).render_as_string(hide_password=True)
            raise Unavailable(f"the database {shown} cannot be watched") from error
        return connection
