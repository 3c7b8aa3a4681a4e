"""A worker process of the explorer."""

from __future__ import annotations

from multiprocessing.connection import Connection

from convscope.web.messages import Options


def main(connection: Connection, options: Options) -> None:
    """Work until the server closes its end of the pipe.

    Args:
        connection: gets `Begin`, `Control` and `Ask`, and gives `Loaded`, `Step`, `Ended` and
            `Answered`.
        options: the networks and indexes.
    """
    # The server names this function, and imports no torch.
    from convscope.system import keep_pages
    from convscope.web.work import Worker

    keep_pages()
    Worker(connection, options).work()
