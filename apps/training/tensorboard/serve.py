"""The program that runs inside the sandbox: TensorBoard on one socket that it was given, and no TensorFlow.

    python -P -c "<this file>" <descriptor of the listening socket> <folder of the logs>

It imports nothing of the platform, which is not among the files that it can read. It prints READY once it answers.
"""

import socket
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from socketserver import BaseServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

READY = "TensorBoard is ready"
# They would cost hundreds of MB, and are installed beside it. TensorBoard has a stand-in for what it needs of them.
BARRED = ("tensorflow", "tf_keras", "keras")
RELOAD_S = 5.0


class Server(ThreadingMixIn, WSGIServer):
    """On a socket that listens already: the sandbox lets no new one be made."""

    daemon_threads = True

    def __init__(self, descriptor: int, application: Any) -> None:
        BaseServer.__init__(self, ("tensorboard", 80), Handler)
        self.socket = socket.socket(fileno=descriptor)
        self.server_name, self.server_port = "tensorboard", 80
        self.setup_environ()
        self.set_app(application)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return self.socket.accept()[0], ("platform", 0)  # who asks has no address


class Handler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing about requests."""


class Bar:
    """Makes BARRED look as if they were not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name.split(".")[0] in BARRED:
            raise ModuleNotFoundError(f"No module named {name!r}: it is kept out of this process.", name=name)
        return None


def main() -> None:
    sys.meta_path.insert(0, Bar())
    # TensorBoard's own switch for its stand-in.
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")

    from tensorboard import default, program

    class GivenSocket(program.TensorBoardServer):  # type: ignore[misc]
        def __init__(self, application: Any, flags: Any) -> None:
            self._server = Server(int(sys.argv[1]), application)

        def serve_forever(self) -> None:
            print(READY, flush=True)  # noqa: T201
            self._server.serve_forever()

        def get_url(self) -> str:
            return "on the given socket"

        def print_serving_message(self) -> None:
            pass

    board = program.TensorBoard(default.get_plugins(), server_class=GivenSocket)
    # The other loader is a program of its own that wants a port.
    board.configure(("", "--logdir", sys.argv[2], "--load_fast", "false"), reload_interval=RELOAD_S)
    board._register_info = lambda server: None  # a file in the shared temporary folder, for notebooks
    sys.exit(board.main())


if __name__ == "__main__":
    main()
