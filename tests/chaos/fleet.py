"""The processes of a mesh that are there to die: workers and gateways. Whoever goes is replaced."""

import os
import random
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple, Self

from shared.messages import StageName
from shared.settings import BaseSettings
from tests.conftest import free_port
from tests.mesh import gateway_process, worker_process

GATEWAYS = 2
_NO_LIMITS = {"REQUESTS_PER_MINUTE": "0", "TASKS_AT_A_TIME": "0", "MAX_QUEUE": "0", "AUDIO_SECONDS_PER_DAY": "0"}


class Worker(NamedTuple):
    """A worker process."""

    stage: StageName
    process: "subprocess.Popen[bytes]"


class Fleet:
    """`per_stage` worker processes of each stage, with fake engines or `real` ones, and two gateways on `ports`."""

    def __init__(self, settings: BaseSettings, environ: Mapping[str, str], *, per_stage: int, real: bool) -> None:
        self.ports = [free_port() for _ in range(GATEWAYS)]
        self.size = per_stage * len(StageName)
        self._settings = settings
        self._environ = environ
        self._real = real
        self._processes = ExitStack()
        self._able: list[Worker] = []
        self._told_to_stop: list[Worker] = []
        self._gateways: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as failed:
            failed.push(self._processes)
            for port in self.ports:
                self._open_gateway(port)
            for _ in range(self.size // len(StageName)):
                for stage in StageName:
                    self._hire(stage)
            failed.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def pick(self, fate: random.Random) -> Worker:
        """One of the workers who have been there for long; the others may still be starting, with nothing in hand."""
        return self._able[fate.randrange(len(self._able) // 2)]

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        self._able.remove(worker)
        worker.process.kill()
        self._hire(worker.stage)

    def tell_to_stop(self, worker: Worker) -> None:
        """SIGTERM."""
        self._able.remove(worker)
        self._told_to_stop.append(worker)
        worker.process.terminate()
        self._hire(worker.stage)

    def pause(self, worker: Worker) -> None:
        """SIGSTOP."""
        self._able.remove(worker)
        worker.process.send_signal(signal.SIGSTOP)

    def wake(self, worker: Worker) -> None:
        """SIGCONT."""
        worker.process.send_signal(signal.SIGCONT)
        self._able.append(worker)

    def kill_gateway(self) -> None:
        """SIGKILL for the gateway that has been there for longest."""
        port = next(iter(self._gateways))
        self._gateways.pop(port).kill()
        self._open_gateway(port)

    def stopped(self) -> bool:
        """Whether all that were told to stop have done so."""
        return None not in [worker.process.poll() for worker in self._told_to_stop]

    def faults(self) -> list[str]:
        """What is wrong with how processes have ended."""
        found = [
            f"a worker of {worker.stage} that was told to stop has left with {worker.process.returncode}"
            for worker in self._told_to_stop
            if worker.process.poll() != os.EX_OK
        ]
        found += [
            f"a worker of {worker.stage} has left by itself with {worker.process.returncode}"
            for worker in self._able
            if worker.process.poll() is not None
        ]
        found += [f"a gateway has left with {it.returncode}" for it in self._gateways.values() if it.poll() is not None]
        return found

    def _hire(self, stage: StageName) -> None:
        process = self._processes.enter_context(worker_process(stage, self._settings, self._environ, real=self._real))
        self._able.append(Worker(stage, process))

    def _open_gateway(self, port: int) -> None:
        environ = {**_NO_LIMITS, "LOG_LEVEL": "error"}
        process = self._processes.enter_context(gateway_process(self._settings, port=port, environ=environ))
        self._gateways[port] = process
