#!/usr/bin/env bash
# Builds the images and runs the stack of compose.yaml where there is no Docker engine: a question,
# an enrolment that outlives its container, a second server that follows the first, an index built by
# `compose run`, a backup put back, a key that closes the door, Prometheus. Then all is taken down. On
# Debian, as root:
#
#   apt-get install --no-install-recommends debootstrap buildah podman runc iptables netavark \
#     aardvark-dns uidmap fuse-overlayfs curl && pip install podman-compose
#   docker/try.sh
#
# The base image is made by debootstrap, and Postgres and Prometheus are Debian's, so that no image
# registry is asked. Images, layers and containers stay in WORK, apart from other containers of this
# machine; the next run is quick. `rm -rf` of WORK removes them. GPU=1 builds the image for GPUs too
# (several GB) and looks whether its libraries are all there; it cannot be run here.
set -euo pipefail
cd "$(dirname "$0")/.."

WORK=${WORK:-${TMPDIR:-/tmp}/posebank-containers}
SUITE=${SUITE:-bookworm}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
PYTHON_IMAGE=${PYTHON_IMAGE:-localhost/python:3.11-slim-$SUITE}
PODMAN_COMPOSE=${PODMAN_COMPOSE:-podman-compose}
QUERY=${QUERY:-examples/queries/known-chair}
READY_SECONDS=${READY_SECONDS:-120}
SECOND_PORT=${SECOND_PORT:-8001}
export PORT=${PORT:-8000} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9090}
export POSTGRES_IMAGE=localhost/posebank-try-postgres
export PROMETHEUS_IMAGE=localhost/posebank-try-prometheus
SERVICE=http://127.0.0.1:$PORT

say() { printf '\n== %s\n' "$*" >&2; }
fail() { echo "docker/try.sh: $*" >&2; exit 1; }

for tool in debootstrap buildah podman runc curl "$PODMAN_COMPOSE"; do
  command -v "$tool" > /dev/null || { echo "docker/try.sh needs $tool; see its first lines" >&2; exit 2; }
done
. docker/try/images.sh
. docker/try/stack.sh

if ! podman image exists "$PYTHON_IMAGE"; then
  say "base image $PYTHON_IMAGE from $MIRROR $SUITE"
  make_base
fi
say "images"
podman image inspect --format "{{.Size}} bytes: $PYTHON_IMAGE" "$PYTHON_IMAGE"
podman image exists "$POSTGRES_IMAGE" || build "$POSTGRES_IMAGE" docker/try/postgres.Dockerfile
podman image exists "$PROMETHEUS_IMAGE" || build "$PROMETHEUS_IMAGE" docker/try/prometheus.Dockerfile
build localhost/posebank docker/Dockerfile --target cpu "${lent[@]}"
if [ "${GPU:-0}" = 1 ]; then
  build localhost/posebank-gpu docker/Dockerfile --target gpu "${lent[@]}"
  say "libraries that ONNX Runtime's CUDA provider does not find in the image for GPUs"
  podman run --rm localhost/posebank-gpu sh -c \
    'ldd /opt/posebank/lib/python3.*/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so' |
    grep 'not found' || echo none
fi

: > "$WORK/compose.log"
take_down
trap take_down EXIT

say "compose up on 127.0.0.1:$PORT, with empty volumes"
start=$EPOCHREALTIME
bring_up
wait_until_ready
echo "ready after $(since "$start")"
service=$(container posebank) database=$(container database)

say "what runs"
podman exec --interactive "$service" python - < docker/try/inside.py
for one in "$service" "$database"; do
  podman inspect --format '{{.Name}}: user {{.Config.User}}, read-only {{.HostConfig.ReadonlyRootfs}}, network {{.HostConfig.NetworkMode}}, memory {{.HostConfig.Memory}} bytes, {{.HostConfig.NanoCpus}} billionths of a core, {{.HostConfig.PidsLimit}} processes' "$one"
  podman healthcheck run "$one" > /dev/null && echo "  its health check passes"
done
files() { find training index service migrations -type f ! -name '*.pyc' | sort; }
missing=$(comm -23 <(files) <(podman exec \
  --workdir / "$service" sh -c "cd /opt/posebank/lib/python3.*/site-packages; $(declare -f files); files"))
[ -z "$missing" ] || fail "the installed package lacks: $missing"
podman exec "$service" posebank doctor
for path in / /openapi.json /version /indexes /samples /metrics; do
  echo "$(status_of "$path") $path"
  [ "$(status_of "$path")" = 200 ] || fail "$path does not answer"
done
get /openapi.json | python3 -c '
import json, sys
assert json.load(sys.stdin) == json.load(open("docs/openapi.json")), "not the OpenAPI document of docs/"
' || echo "WARNING: the OpenAPI document is not the one of docs/" >&2

say "POST /pose/estimate with $QUERY"
ask > "$WORK/answer.json"
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

say "a view enrolled, the server killed, the database restarted"
enrol() {
  get /views --form "image=@$QUERY.jpg" --form "request={
    \"dataset\": \"try\", \"instance\": \"$1\", \"category\": \"chair\", \"bbox\": [68.9, 101.4, 401.3, 531.4]}" | json 'it["id"]'
}
view=$(enrol chair-a)
podman kill --signal KILL "$service" >> "$WORK/compose.log" 2>&1
podman restart "$database" >> "$WORK/compose.log" 2>&1
start=$EPOCHREALTIME
podman start "$service" >> "$WORK/compose.log" 2>&1
wait_until_ready
echo "ready again after $(since "$start")"
get "/views/$view" | json '"kept: " + it["instance"]'

say "a second server on the same database and volume"
compose run --detach --no-deps --publish "127.0.0.1:$SECOND_PORT:8000" --name "${PROJECT}_second" posebank
wait_for "$READY_SECONDS" podman healthcheck run "${PROJECT}_second"
python3 docker/try/followed.py "$SERVICE" "http://127.0.0.1:$SECOND_PORT" "$QUERY.jpg"
podman stop "${PROJECT}_second" >> "$WORK/compose.log" 2>&1
podman rm "${PROJECT}_second" >> "$WORK/compose.log" 2>&1

say "compose run --rm index build shelf"
compose_run --no-deps index build shelf --data /sequences --encoder /encoders/encoder --stride 2
served() { get /indexes | json '[one["name"] for one in it["indexes"]]' | grep --quiet "$1"; }
start=$EPOCHREALTIME
wait_for 30 served shelf
echo "served $(since "$start") later"

say "Prometheus"
compose --profile observability up --detach --no-build --no-deps prometheus
wait_for 60 curl --silent --fail "http://127.0.0.1:$PROMETHEUS_PORT/-/ready"
asked_and_drawn() {
  ask --output /dev/null
  status_of /views/unknown
  python3 docker/try/watched.py "http://127.0.0.1:$PROMETHEUS_PORT"
}
wait_for 90 asked_and_drawn
python3 docker/try/watched.py "http://127.0.0.1:$PROMETHEUS_PORT"
podman exec "$(container prometheus)" promtool check ready 2>&1 | grep . ||
  echo "its health check fails: promtool is older than that of the image in compose.yaml"

say "backup, everything thrown away, restore"
stack exec -T database pg_dump --username posebank --format custom posebank \
  > "$WORK/posebank.dump" 2>> "$WORK/compose.log"
compose_run --no-deps --entrypoint tar index --directory /data --create indexes > "$WORK/indexes.tar"
ls -s --block-size=1 "$WORK/posebank.dump" "$WORK/indexes.tar"
take_down
compose up --detach --no-build --no-deps database
wait_for 60 podman healthcheck run "${PROJECT}_database_1"
stack exec -T database pg_restore --username posebank --dbname posebank \
  < "$WORK/posebank.dump" 2>> "$WORK/compose.log"
compose_run --no-deps --entrypoint tar index --directory /data --extract < "$WORK/indexes.tar"
bring_up
wait_until_ready
get "/views/$view" | json '"restored: " + it["instance"]'
served shelf || fail "the index shelf was not restored"
service=$(container posebank)

say "who may ask"
echo "$(status_of /indexes --header 'Host: posebank.example') without a key, by another name"
key=$(podman exec "$service" posebank keys create try --scope query 2> /dev/null | grep --only-matching 'pb_[0-9a-f]*_[0-9a-f]*')
wait_for 10 sh -c "[ \$(curl -so /dev/null -w '%{http_code}' $SERVICE/indexes) = 401 ]"
echo "$(status_of /indexes) without a key once there is one; $(status_of /indexes --header "Authorization: Bearer $key") with it, $(status_of "/views/$view" --request DELETE --header "X-API-Key: $key") for what it may not"
ask --header "Authorization: Bearer $key" --output /dev/null
podman logs "$service" 2>&1 | grep --fixed-strings "$key" && fail "the log tells the key"

say "stop"
start=$EPOCHREALTIME
podman stop --time 15 "$service" >> "$WORK/compose.log" 2>&1
echo "stopped in $(since "$start") with exit code $(podman inspect --format '{{.State.ExitCode}}' "$service")"
