"""The work of a worker process: it loads the networks, answers questions and makes runs."""

from __future__ import annotations

import queue
import threading
from multiprocessing.connection import Connection
from typing import Any

from convscope.errors import ConvscopeError, described
from convscope.runs import registry
from convscope.web import running
from convscope.web.answers import ANSWERS
from convscope.web.messages import Answered, Ask, Begin, Control, Options
from convscope.web.networks import Networks
from convscope.web.requests import Place


class Worker:
    """Takes the messages in a thread, and does the work of each in turn."""

    def __init__(self, connection: Connection, options: Options) -> None:
        self._connection, self._sending = connection, threading.Lock()
        self._controls = running.Controls()
        self._waiting: queue.SimpleQueue[Begin | Ask | None] = queue.SimpleQueue()
        registry.techniques()  # before a network loads, which slows down all other imports
        networks = Networks(options.networks, self._send)
        self._place = Place(networks, options.indexes)

    def work(self) -> None:
        """Do what is asked until the server is gone."""
        threading.Thread(target=self._receive, daemon=True).start()
        while (message := self._waiting.get()) is not None:
            if isinstance(message, Begin):
                running.make(message, self._place, self._controls, self._send)
            else:
                self._send(self._answer(message))

    def _receive(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, Control):
                    self._controls.order(message.run, message.order)
                    continue
                if isinstance(message, Begin):
                    self._controls.begin(message.run)
                self._waiting.put(message)
        except (EOFError, OSError):
            self._controls.close()
            self._waiting.put(None)

    def _send(self, message: Any) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            self._controls.close()

    def _answer(self, ask: Ask) -> Answered:
        try:
            answer = ANSWERS.get(ask.question)
            if answer is None:
                raise ConvscopeError(f"there is no question {ask.question!r}")
            return Answered(ask.id, answer(self._place, **ask.arguments))
        except ConvscopeError as error:
            return Answered(ask.id, problem=self._place.told(str(error)))
        except Exception as error:
            return Answered(ask.id, problem=str(ConvscopeError(described(error))))
