"""Processes that take turns: a side answers a number on its stdin with one on its stdout; idle, it holds no core."""
import contextlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_ARENA_MAX": "1"}


def serve(timed) -> None:
    """Warms up with two steps, says so, and answers every line "n" with timed(n), until there are no more."""
    timed(2)
    print("ready", flush=True)
    for line in sys.stdin:
        print(timed(int(line)), flush=True)


class Side:
    """A process that serves. side(n): seconds a step, over n steps."""

    def __init__(self, *command: str, **env: str):
        self.process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env={**os.environ, **env}, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        while (line := self.process.stdout.readline()) != "ready\n":
            if not line:
                raise SystemExit(f"{' '.join(command)} ended with status {self.process.wait()}")

    def __call__(self, n: int) -> float:
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
