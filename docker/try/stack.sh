# Sourced by docker/try.sh: the stack of compose.yaml under podman-compose.

PROJECT=posebank-try
# A project of its own, so that the volume of a service in use is never the one thrown away.
stack() { "$PODMAN_COMPOSE" --project-name "$PROJECT" "$@"; }
compose() {
  stack "$@" >> "$WORK/compose.log" 2>&1 || { tail -n 20 "$WORK/compose.log" >&2; fail "compose $*"; }
}
# Without its warnings, what the command itself prints. `docker compose run` needs no --profile.
compose_run() { stack --profile tools run --rm -T "$@" 2>> "$WORK/compose.log"; }
take_down() {
  stack --profile observability --profile tools down --volumes >> "$WORK/compose.log" 2>&1 || true
  rm -f oom  # where conmon notes that a process met the limit of memory
}

# `compose up`, in the order that compose.yaml asks for: podman-compose waits for no health, and
# podman 4 starts nothing that depends on a container which has done its work and ended.
bring_up() {
  compose up --detach --no-build --no-deps database
  compose run --rm -T --no-deps migrate
  compose up --detach --no-build --no-deps posebank
}

container() { podman ps --quiet --latest --filter "name=${PROJECT}_$1_1"; }

# get PATH [CURL-OPTION …]: the body, or failure with the body where it is no success.
get() { local path=$1; shift; curl --silent --show-error --fail-with-body "$SERVICE$path" "$@"; }
status_of() { local path=$1; shift; curl --silent --output /dev/null --write-out '%{http_code}' "$SERVICE$path" "$@"; }
# json EXPRESSION: a value of the JSON on stdin, named `it`.
json() { python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"; }

# wait_for SECONDS COMMAND …: until it succeeds, ten times a second.
wait_for() {
  local end=$((${EPOCHREALTIME%.*} + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    if [ "${EPOCHREALTIME%.*}" -ge "$end" ]; then
      podman ps --all >&2
      for name in database posebank; do podman logs "${PROJECT}_${name}_1" >&2 || true; done
      fail "waited in vain for: $*; see $WORK/compose.log"
    fi
    sleep 0.1
  done
}
wait_until_ready() { wait_for "$READY_SECONDS" get /readyz; }
since() { echo "$1 $EPOCHREALTIME" | awk '{printf "%.1f s", $2 - $1}'; }

# question of $QUERY, with more options of curl
ask() {
  get /pose/estimate --form "image=@$QUERY.jpg" --form "request=$(python3 -c '
import json, sys
query = json.load(open(sys.argv[1]))
print(json.dumps({"k": 3} | {key: query[key] for key in ("bbox", "camera", "plane") if key in query}))
' "$QUERY.json")" "$@"
}
