#!/bin/sh
# First process of a node in a container: starts a Docker daemon, makes or joins a cluster at the first start, and then
# is the agent. STORMO_FIRST=<n> marks the node that makes the cluster and lets n others join by a token in $shared.
set -eu
shared=${STORMO_SHARED:-/shared}
name=${STORMO_NODE_NAME:-$(hostname)}

# With cgroup v2 a group that has processes cannot hand controllers to groups below it: make room for the pods'.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true
  sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi
# Volumes that the agent mounts have to be seen by the containers that get them.
mount --make-rshared /
# Before dockerd starts, else it sets the FORWARD policy to DROP.
sysctl -qw net.ipv4.ip_forward=1

rm -f /run/docker.pid /run/docker/containerd/containerd.pid
dockerd --host unix:///run/docker.sock --bridge=none --userland-proxy=false --live-restore --shutdown-timeout 5 \
  --exec-opt native.cgroupdriver=cgroupfs >/var/lib/stormo/dockerd.log 2>&1 &
daemon=$!
waited=0
until docker version >/dev/null 2>&1; do
  kill -0 $daemon 2>/dev/null || { echo "dockerd ended:" >&2; tail -n 5 /var/lib/stormo/dockerd.log >&2; exit 1; }
  [ $waited -lt 120 ] || { echo "dockerd does not answer after 60 s" >&2; exit 1; }
  waited=$((waited + 1))
  sleep 0.5
done

if [ ! -e /var/lib/stormo/member.json ]; then
  if [ -z "${STORMO_FIRST:-}" ]; then
    echo "$name waits for the first node's token in $shared"
    until [ -s "$shared/token" ]; do sleep 1; done
    stormo join "$(cat "$shared/token")" --node-name "$name"
  else
    stormo init --cluster-name "${STORMO_CLUSTER:-compose}" --node-name "$name"
  fi
fi
if [ -n "${STORMO_FIRST:-}" ] && [ ! -s "$shared/token" ]; then
  # The token is made by the running agent; it appears whole or not at all.
  (
    until stormo token create --uses "${STORMO_FIRST}" --ttl 1h >"$shared/token.new" 2>/dev/null; do sleep 1; done
    chmod 600 "$shared/token.new"
    mv "$shared/token.new" "$shared/token"
    cp /etc/stormo/kubeconfig "$shared/kubeconfig"
  ) &
fi
exec stormo agent
