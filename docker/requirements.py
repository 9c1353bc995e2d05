"""What pip installs before the code, a requirement a line; ``--gpu``: what it then puts on top.

Read from ``pyproject.toml`` and ``constraints.txt`` beside which it is run.
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
if "--gpu" in sys.argv[1:]:
    # The same version as on CPU, with the CUDA and cuDNN libraries it was built for.
    pinned = re.search(r"^onnxruntime==(\S+)", Path("constraints.txt").read_text("utf-8"), re.M)
    assert pinned is not None, "constraints.txt pins no onnxruntime"
    print(f"onnxruntime-gpu[cuda,cudnn]=={pinned[1]}")
else:
    print(*project["dependencies"], *project["optional-dependencies"]["postgres"], sep="\n")
