"""Our commands as people run them: each in a process of its own, with an environment, an exit status and its output.

To start Python and import Beam takes seconds, many times over. So one process a session imports everything once, and
each command is forked off it. The scripts that pip installs are run as they are by a test of their own.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
SECONDS = 120

Command = Literal["shopstream-capture", "shopstream-pipeline", "shopstream-features"]
_MODULES: Mapping[Command, str] = {
    "shopstream-capture": "shopstream.capture.cli",
    "shopstream-pipeline": "shopstream.pipeline.cli",
    "shopstream-features": "shopstream.ml_features.cli",
}
_IMPORTED_BEFORE = (
    *_MODULES.values(),
    "apache_beam.runners.portability.fn_api_runner",
    "google.cloud.storage",
    "shopstream.ml_features.job",
    "shopstream.ml_features.serving.store",
    "shopstream.pipeline.instructions",
    "shopstream.pipeline.jobs",
)


def run_command(
    command: Command,
    *arguments: str,
    environment: Mapping[str, str],
    stdin: str = "",
    seconds: float = SECONDS,
    folder: Path = ROOT,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in this folder; it sees this environment and no other."""
    with tempfile.TemporaryDirectory() as directory:
        files = {name: str(Path(directory) / name) for name in ("stdin", "stdout", "stderr")}
        Path(files["stdin"]).write_text(stdin)
        asked = {
            "module": _MODULES[command],
            "arguments": [command, *arguments],
            "environment": dict(environment),
            "folder": str(folder),
        }
        status = _server().ask({**asked, "files": files, "seconds": seconds})
        assert status is not None, f"{command} {' '.join(arguments)} took longer than {seconds} s"
        return subprocess.CompletedProcess(
            [command, *arguments], status, Path(files["stdout"]).read_text(), Path(files["stderr"]).read_text()
        )


class _Server:
    """The process that commands are forked off; it ends with its standard input."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.commands"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        atexit.register(self._stop)

    def ask(self, what: Mapping[str, object]) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
            status: int | None = json.loads(self._process.stdout.readline())
            return status

    def _stop(self) -> None:
        self._process.communicate()


_servers: list[_Server] = []


def _server() -> _Server:
    if not _servers:
        _servers.append(_Server())
    return _servers[0]


def _serve() -> None:
    """For each line a process; its exit status, or null where it took too long."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What an import prints is no answer.
    for module in _IMPORTED_BEFORE:
        import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        if (child := os.fork()) == 0:
            answers.close()
            _become(asked)
        answers.write(json.dumps(_awaited(child, asked["seconds"])) + "\n")
        answers.flush()


def _awaited(child: int, seconds: float) -> int | None:
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def _become(asked: Mapping[str, object]) -> None:
    """This process is the command, and ends as it does."""
    files = asked["files"]
    assert isinstance(files, dict)
    for number, name, flags in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_WRONLY), (2, "stderr", os.O_WRONLY)):
        opened = os.open(files[name], flags | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.argv = list(asked["arguments"])  # type: ignore[call-overload]
    # Buffers of the parent are no concern of ours.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, buffering=1) for n, mode in ((0, "r"), (1, "w"), (2, "w")))
    status: object = 0
    try:
        import_module(str(asked["module"])).main()
    except SystemExit as end:
        status = end.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


if __name__ == "__main__":
    _serve()
