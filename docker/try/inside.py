"""Run in a container of the service: what it is, what it cannot write, what it does not hold."""

import importlib.util
import os
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
