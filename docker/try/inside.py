"""Run in a container of the service: what it is, may write, holds, and may take of the machine."""

import importlib.util
import os
import signal
from pathlib import Path

status = dict(line.split(":", 1) for line in Path("/proc/1/status").read_text().splitlines())
capabilities, no_new_privileges = int(status["CapEff"], 16), int(status["NoNewPrivs"])
print(f"user {os.getuid()}, {capabilities=:x}, {no_new_privileges=}")
assert os.getuid() != 0
assert capabilities == 0
assert no_new_privileges == 1
for folder in ("/", "/app", "/opt/posebank"):
    assert os.statvfs(folder).f_flag & os.ST_RDONLY, f"{folder} can be written"
for module in ("torch", "pip", "pytest"):
    assert importlib.util.find_spec(module) is None, f"{module} is in the image"
# Where telemetry is on, ONNX Runtime keeps the machine's identifier here.
assert not Path("/data/.cache").exists(), "ONNX Runtime reports to its maker"
print("not to be written: / /app /opt/posebank; not installed: torch, pip, pytest; no telemetry")

limits = ("memory.max", "memory/memory.limit_in_bytes")
found = [path for path in map(Path("/sys/fs/cgroup").joinpath, limits) if path.exists()]
if found:
    limit = found[0].read_text().strip()
    assert limit != "max", "memory is not limited"
    assert int(limit) <= 2 << 30, f"{limit} bytes is more than compose.yaml grants"
    child = os.fork()
    if child == 0:
        b"x" * (int(limit) + 1)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, "more memory than the limit"
    print(f"a process that takes more than {limit} bytes is killed")
else:
    print("whether the limit of memory is kept cannot be seen: no cgroup of memory here")
