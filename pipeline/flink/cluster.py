"""Flink's processes on this machine: a JobManager and TaskManagers, Beam's job server and the pool of Python workers.

Whoever reaches a Flink cluster can run any code on it. Flink and the pool listen on loopback; Beam's job server, and until a
minute after a job the endpoints that task managers have for workers, listen on every interface, which Beam does not let be
set.
"""

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.flink.jar import FlinkError, flink_jar
from serving.free_port import free_port

_HOST = "127.0.0.1"

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"

# What Flink's own scripts give Java 17 (env.java.opts.all of its distribution), as far as it is needed here.
_OPEN_PACKAGES = ("lang", "net", "io", "nio", "time", "util", "util.concurrent")
_JAVA = (
    "java",
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPEN_PACKAGES),
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)

_HEAP = "-Xmx768m"

_START_SECONDS = 120.0
_END_SECONDS = 20.0

# Memory in parts: Flink's scripts would divide a total, and there are no scripts here. Transform's analysis has 160 tasks,
# which need more than the default's 64 MB of network buffers.
_CONFIGURATION = """\
jobmanager.rpc.address: {host}
jobmanager.rpc.port: {rpc_port}
jobmanager.bind-host: {host}
rest.address: {host}
rest.bind-address: {host}
rest.port: {rest_port}
taskmanager.host: {host}
taskmanager.bind-host: {host}
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 640m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.network.min: 256m
taskmanager.memory.network.max: 256m
taskmanager.memory.managed.size: 256m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
# A job goes on when a task manager has gone and another is there.
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 10
restart-strategy.fixed-delay.delay: 1 s
heartbeat.interval: 1000
heartbeat.timeout: 10000
io.tmp.dirs: {folder}
"""


class SessionCluster:
    """A Flink session cluster, ready for Beam's jobs: a context manager.

    Attributes:
      job_server: Its job server's address, HOST:PORT.
      worker_pool: The address of its pool of Python workers.
      rest_url: The JobManager's REST interface.
      task_managers: The processes of the task managers.
    """

    def __init__(self, folder: str | Path, task_managers: int, slots: int = 1, ports: tuple[int, int] = (0, 0)):
        """Describes a cluster; entering it starts it.

        Args:
          folder: Where its processes keep their logs and temporary files.
          task_managers: How many.
          slots: Shards that each works on at a time.
          ports: Ports of the REST interface and the worker pool; 0 takes a free one.
        """
        self._folder, self._slots, self._count = Path(folder).resolve(), slots, task_managers
        rest_port, self._pool_port = (port or free_port() for port in ports)
        self.rest_url = f"http://{_HOST}:{rest_port}"
        self.job_server = ""  # known once it runs
        self.worker_pool = f"{_HOST}:{self._pool_port}"
        self.task_managers: list[subprocess.Popen[bytes]] = []
        self._others: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._jar = flink_jar()
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = _CONFIGURATION.format(
            host=_HOST,
            rpc_port=free_port(),
            rest_port=self.rest_url.rpartition(":")[2],
            slots=self._slots,
            folder=json.dumps(str(self._folder)),
        )
        (self._folder / "config.yaml").write_text(configuration)
        try:
            pool = [sys.executable, "-m", "pipeline.beam.worker_pool", f"--port={self._pool_port}"]
            self._others["worker-pool"] = self._start("worker-pool", pool)
            self._others["job-manager"] = self._start_java("job-manager", _JOB_MANAGER, f"--configDir={self._folder}")
            for _ in range(self._count):
                self.add_task_manager()
            self._others["job-server"] = self._start_java(
                "job-server",
                _JOB_SERVER,
                f"--flink-master={self.rest_url.removeprefix('http://')}",
                "--job-port=0",
                "--artifact-port=0",
                "--expansion-port=-1",  # none
                f"--artifacts-dir={self._folder / 'artifacts'}",
            )
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def add_task_manager(self) -> None:
        """Starts another task manager."""
        name = f"task-manager-{len(self.task_managers)}"
        self.task_managers.append(self._start_java(name, _TASK_MANAGER, f"--configDir={self._folder}"))

    def settings(self) -> list[str]:
        """Returns what a run sets to have its jobs here, each `section.field=value`."""
        return [
            "beam.runner=flink",
            f"beam.job_server={self.job_server}",
            f"beam.worker_pool={self.worker_pool}",
            f"beam.parallelism={self._count * self._slots}",
        ]

    def processes(self) -> list["subprocess.Popen[bytes]"]:
        """Returns all of its processes."""
        return [*self._others.values(), *self.task_managers]

    def check(self) -> None:
        """Checks that everything without which there is no cluster is running.

        Raises:
          FlinkError: Something has ended.
        """
        for name, process in self._others.items():
            if process.poll() is not None:
                raise FlinkError(f"Flink's {name} has ended with status {process.returncode}; see {self._log(name)}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (self._registered() >= self._count and self._finds_job_server() and _answers(self.worker_pool)):
            self.check()
            if time.monotonic() > deadline:
                raise FlinkError(f"the cluster is not ready after {_START_SECONDS:.0f} s; see {self._folder}/*.log")
            time.sleep(0.2)

    def _finds_job_server(self) -> bool:
        """Returns whether the job server has said where it listens."""
        if found := re.search(r"JobService started on localhost:(\d+)", self._log("job-server").read_text()):
            self.job_server = f"{_HOST}:{found[1]}"
        return bool(found)

    def _registered(self) -> int:
        """Returns how many task managers the JobManager knows."""
        connection = http.client.HTTPConnection(self.rest_url.removeprefix("http://"), timeout=5)
        try:
            connection.request("GET", "/taskmanagers")
            return len(json.load(connection.getresponse())["taskmanagers"])
        except (OSError, http.client.HTTPException, ValueError, KeyError):  # not there yet, or not ready
            return 0
        finally:
            connection.close()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _start_java(self, name: str, main_class: str, *arguments: str) -> "subprocess.Popen[bytes]":
        split = [part for argument in arguments for part in argument.split("=", 1)]
        return self._start(name, [*_JAVA, _HEAP, "-cp", str(self._jar), main_class, *split])

    def _start(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with self._log(name).open("ab") as log:
            # A session of its own: an interrupt at the terminal ends this process, which then ends those in order.
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def _end(self) -> None:
        for process in self.processes():
            process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for process in self.processes():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
