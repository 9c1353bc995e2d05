#!/usr/bin/env bash
# Builds the image and runs compose.yaml where there is no Docker engine, asks one question, and
# takes everything down again. On Debian, as root:
#
#   apt-get install --no-install-recommends debootstrap buildah podman runc iptables netavark \
#     aardvark-dns uidmap fuse-overlayfs curl && pip install podman-compose
#   docker/try.sh
#
# The base image is made by debootstrap, so that no image registry is asked. The host's
# certificates and pip.conf are lent to the build: what pip reaches on the host, the build reaches.
# Images, layers and containers stay in WORK, apart from other containers of this machine; the next
# run is quick. `rm -rf` of WORK removes them.
set -euo pipefail
cd "$(dirname "$0")/.."

WORK=${WORK:-${TMPDIR:-/tmp}/posebank-containers}
SUITE=${SUITE:-bookworm}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
PYTHON_IMAGE=${PYTHON_IMAGE:-localhost/python:3.11-slim-$SUITE}
IMAGE=localhost/posebank # as compose.yaml names it
PODMAN_COMPOSE=${PODMAN_COMPOSE:-podman-compose}
QUERY=${QUERY:-examples/queries/known-chair}
READY_SECONDS=${READY_SECONDS:-120}
export PORT=${PORT:-8000}

say() { printf '\n== %s\n' "$*" >&2; }

for tool in debootstrap buildah podman runc curl "$PODMAN_COMPOSE"; do
  command -v "$tool" > /dev/null || { echo "docker/try.sh needs $tool; see its first lines" >&2; exit 2; }
done

mkdir -p "$WORK/run"
cat > "$WORK/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$WORK/storage"
runroot = "$WORK/run"
END
cat > "$WORK/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
END
export CONTAINERS_STORAGE_CONF=$WORK/storage.conf CONTAINERS_CONF=$WORK/containers.conf

if ! podman image exists "$PYTHON_IMAGE"; then
  say "base image $PYTHON_IMAGE from $MIRROR $SUITE"
  if [ ! -e "$WORK/rootfs/.complete" ]; then
    rm -rf "$WORK/rootfs"
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
      "$SUITE" "$WORK/rootfs" "$MIRROR" > "$WORK/debootstrap.log"
    ln -sf python3 "$WORK/rootfs/usr/bin/python"
    rm -rf "$WORK"/rootfs/var/cache/apt/archives/*.deb "$WORK"/rootfs/var/lib/apt/lists/*
    touch "$WORK/rootfs/.complete"
  fi
  tar --directory "$WORK/rootfs" --create . | podman import - "$PYTHON_IMAGE" > /dev/null
fi

say "image $IMAGE"
lent=()
for path in /etc/ssl/certs /etc/pip.conf; do
  [ ! -e "$path" ] || lent+=(--volume "$path:$path:ro")
done
# The format `docker` keeps HEALTHCHECK; `chroot` builds without a container runtime's namespaces.
buildah bud --isolation chroot --format docker --pull-never --layers "${lent[@]}" \
  --build-arg "PYTHON_IMAGE=$PYTHON_IMAGE" --file docker/Dockerfile --tag "$IMAGE" .
podman image inspect --format '{{.Size}} bytes' "$IMAGE"
podman image inspect --format '{{.Size}} bytes of them in the base image' "$PYTHON_IMAGE"

# A project of its own, so that the volume of a service in use is never the one thrown away.
compose() { "$PODMAN_COMPOSE" --project-name posebank-try "$@" >> "$WORK/compose.log" 2>&1; }
take_down() { compose down --volumes || true; }
trap take_down EXIT

wait_until_ready() {
  local start=$EPOCHREALTIME
  until curl --silent --fail --output /dev/null "http://127.0.0.1:$PORT/readyz"; do
    if [ "${EPOCHREALTIME%.*}" -gt "$((${start%.*} + READY_SECONDS))" ]; then
      echo "not ready after $READY_SECONDS s; see $WORK/compose.log" >&2
      podman logs posebank-try_posebank_1 >&2 || true
      exit 1
    fi
    sleep 0.1
  done
}

say "compose up on 127.0.0.1:$PORT, with an empty volume"
: > "$WORK/compose.log"
start=$EPOCHREALTIME
compose up --detach --no-build
wait_until_ready
echo "ready after $(echo "$EPOCHREALTIME $start" | awk '{printf "%.1f", $1 - $2}') s"

say "what runs"
service=$(podman ps --quiet --filter label=com.docker.compose.project=posebank-try)
podman exec --interactive "$service" python - <<'END'
import importlib.util
import os
from pathlib import Path

status = dict(line.split(":", 1) for line in Path("/proc/1/status").read_text().splitlines())
capabilities, no_new_privileges = int(status["CapEff"], 16), int(status["NoNewPrivs"])
print(f"user {os.getuid()}, {capabilities=:x}, {no_new_privileges=}")
assert os.getuid() != 0 and capabilities == 0 and no_new_privileges == 1
for folder in ("/", "/app", "/opt/posebank"):
    assert os.statvfs(folder).f_flag & os.ST_RDONLY, f"{folder} can be written"
for module in ("torch", "pip", "pytest"):
    assert importlib.util.find_spec(module) is None, f"{module} is in the image"
# Where telemetry is on, ONNX Runtime keeps the machine's identifier here.
assert not Path("/data/.cache").exists(), "ONNX Runtime reports to its maker"
print("not to be written: / /app /opt/posebank; not installed: torch, pip, pytest; no telemetry")
END
podman inspect --format 'memory {{.HostConfig.Memory}} bytes, {{.HostConfig.NanoCpus}} billionths of a core, {{.HostConfig.PidsLimit}} processes' "$service"
files() { find training index service migrations -type f ! -name '*.pyc' | sort; }
missing=$(comm -23 <(files) <(podman exec --workdir / "$service" sh -c \
  "cd /opt/posebank/lib/python3.*/site-packages; $(declare -f files); files"))
[ -z "$missing" ] || { echo "the installed package lacks: $missing" >&2; exit 1; }
podman exec "$service" posebank index list
podman healthcheck run "$service"
echo "health check passes"
for path in / /openapi.json /version /indexes /samples; do
  curl --silent --fail --output /dev/null --write-out "%{http_code} $path\n" "http://127.0.0.1:$PORT$path"
done
curl --silent "http://127.0.0.1:$PORT/openapi.json" | python3 -c '
import json, sys
assert json.load(sys.stdin) == json.load(open("docs/openapi.json")), "not the OpenAPI document of docs/"
'

say "POST /pose/estimate with $QUERY"
request=$(python3 -c '
import json, sys
query = json.load(open(sys.argv[1]))
print(json.dumps({"k": 3} | {key: query[key] for key in ("bbox", "camera", "plane") if key in query}))
' "$QUERY.json")
curl --silent --show-error --fail-with-body "http://127.0.0.1:$PORT/pose/estimate" \
  --form "image=@$QUERY.jpg" --form "request=$request" > "$WORK/answer.json"
python3 -c '
import json, sys
answer = json.load(open(sys.argv[1]))
for neighbour in answer["neighbours"]:
    view = neighbour["view"]
    print(view["instance"], view["sequence"], "frame", view["frame"], round(neighbour["similarity"], 3))
for key in ("rotation", "translation_m", "scale_m"):
    print(key, [[round(x, 3) for x in row] if isinstance(row, list) else round(row, 3)
                for row in answer["box"][key]])
' "$WORK/answer.json"
echo "whole: $WORK/answer.json"

say "restart on the same volume"
start=$EPOCHREALTIME
podman stop "$service" >> "$WORK/compose.log" 2>&1
stopped=$EPOCHREALTIME
podman start "$service" >> "$WORK/compose.log" 2>&1
wait_until_ready
echo "$start $stopped $EPOCHREALTIME" | awk '{printf "stopped in %.1f s, ready again after %.1f s\n", $2 - $1, $3 - $2}'

say "down"
