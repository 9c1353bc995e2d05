# Sourced by docker/try.sh: a store of images apart from other containers of this machine, the base
# image by debootstrap, and the images of compose.yaml on top of it.

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

make_base() {
  if [ ! -e "$WORK/rootfs/.complete" ]; then
    rm -rf "$WORK/rootfs"
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
      "$SUITE" "$WORK/rootfs" "$MIRROR" > "$WORK/debootstrap.log"
    ln -sf python3 "$WORK/rootfs/usr/bin/python"
    rm -rf "$WORK"/rootfs/var/cache/apt/archives/*.deb "$WORK"/rootfs/var/lib/apt/lists/*
    touch "$WORK/rootfs/.complete"
  fi
  tar --directory "$WORK/rootfs" --create . | podman import - "$PYTHON_IMAGE" > /dev/null
}

# What pip reaches on the host, a build with "${lent[@]}" reaches.
lent=()
for path in /etc/ssl/certs /etc/pip.conf; do
  [ ! -e "$path" ] || lent+=(--volume "$path:$path:ro")
done

# build TAG DOCKERFILE [OPTION …]; the format `docker` keeps HEALTHCHECK; `chroot` builds without a
# container runtime's namespaces.
build() {
  local tag=$1 file=$2
  shift 2
  buildah bud --isolation chroot --format docker --pull-never --layers \
    --build-arg "PYTHON_IMAGE=$PYTHON_IMAGE" --file "$file" --tag "$tag" "$@" . \
    > "$WORK/build.log" 2>&1 || { tail -n 30 "$WORK/build.log" >&2; exit 1; }
  podman image inspect --format "{{.Size}} bytes: $tag" "$tag"
}
