"""Lesson 12: an exported model as a server: one process, a thread a core, a bound on what waits.

    python -m helpers.serving                   the model that lesson 11 exported last, on http://127.0.0.1:8000
    python -m helpers.serving FOLDER --port 80 --host 0.0.0.0 --key-file key.txt

It speaks TensorFlow Serving's REST (/v1) and the Open Inference Protocol (/v2), and shows a page at /. `make serve` installs
what it needs.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import math
import os
import re
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn

from helpers import application, forms, predicting, workers

CLOSING = 0.2  # seconds in which a server that is about to end still takes requests, and tells clients to go


class Server(uvicorn.Server):
    """uvicorn's server, which ends in an order that loses nothing."""

    def __init__(self, config: uvicorn.Config, service: application.Service):
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame) -> None:
        """From now on each answer tells its client to connect elsewhere."""
        self.service.draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First clients go by themselves, then no new ones come, then what has come is answered."""
        await asyncio.sleep(CLOSING)
        for server in self.servers:
            server.close()
        await asyncio.sleep(CLOSING / 4)  # what was accepted last sends its request
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. It is told its protocol by number: asyncio sets TCP_NODELAY only then, and without that each
    answer waits up to 40 ms for the client's word that it has the headers. Raises OSError where the port is taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except OSError:
        found.close()
        raise
    return found


def address_of(listener: socket.socket) -> str:
    """Where a socket listens, as a browser wants it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def seconds_to_end(limits: forms.Limits) -> int:
    """How long a request that has begun may last: its body may still come, and then it is answered."""
    return math.ceil(limits.seconds_to_send + limits.seconds_to_answer) + 1


def serve(service: application.Service, listener: socket.socket) -> None:
    """Answer until SIGTERM or Ctrl-C, then answer what was taken, and return."""
    config = uvicorn.Config(
        application.Door(application.make_app(service), service),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than a proxy's
        timeout_graceful_shutdown=seconds_to_end(service.limits),
    )
    Server(config, service).run(sockets=[listener])


def read_key(path: str | None) -> str | None:
    """The key in a file, without the spaces and line ends around it; None where there is no file. Raises ValueError for a
    short one and for one that a header cannot hold.
    """
    if path is None:
        return None
    key = Path(path).read_text(encoding="utf-8").strip()
    if len(key) < 16 or not key.isascii():
        raise ValueError(f"The key in {path} has to be of 16 or more characters of ASCII.")
    return key


def check_name(name: str) -> str:
    """A name that can stand in an address; raises ArgumentTypeError for another."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, flags=re.ASCII):
        raise argparse.ArgumentTypeError("a name is of letters, digits, dots, - and _")
    return name


def number_of_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    limits = forms.Limits()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="a folder that lesson 11 made; the last one where it is not given")
    parser.add_argument(
        "--name", type=check_name, default="course", help="what clients call the model (default: course)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: for other machines, too (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free (default: 8000)")
    parser.add_argument("--key-file", help="a file with a key that clients must send")
    parser.add_argument("--form", choices=("float32", "int8"), default="float32", help="of the ONNX file")
    parser.add_argument("--threads", type=int, default=number_of_cores(), help="default: one a core")
    parser.add_argument("--waiting", type=int, default=limits.waiting, help="requests that may wait")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve; ends the program with a word where that cannot be done."""
    options = parse_options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # before uvicorn listens to it, and again after
    try:
        model = predicting.load(options.folder, options.form, threads=1)
        limits = replace(forms.Limits(), waiting=options.waiting)
        service = application.Service(model, options.name, limits, options.threads, read_key(options.key_file))
        workers.answer_text(model, "What the first text would wait for.")
        listener = listen(options.host, options.port)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"Serving {options.name} ({', '.join(model.labels)}) at {address_of(listener)}; Ctrl-C ends it.", flush=True)
    if not (options.key_file or ipaddress.ip_address(listener.getsockname()[0]).is_loopback):
        print("Anybody who reaches this address can ask. --key-file wants a key of them.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        serve(service, listener)


if __name__ == "__main__":
    main()
