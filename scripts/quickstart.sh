#!/usr/bin/env bash
# Three machines on this one, one cluster, an application that answers from every node.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh

name=${STORMO_CLUSTER:-demo}
stormo=$PWD/cli/stormo
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n%s\n' "$*"; }

step "1. Three machines, one cluster"
if "$stormo" cluster list | awk '{print $1}' | grep -qx "$name"; then
  echo "Cluster \"$name\" is there already."
  "$stormo" cluster start --name "$name"
else
  "$stormo" cluster up --nodes 3 --name "$name"
fi
"$stormo" cluster status --name "$name"

step "2. An image, made here: Debian's busybox and nothing else"
archive=$(mktemp /tmp/stormo-hello-XXXXXX.tar)
trap 'rm -f "$archive"' EXIT
examples/hello/build-image.sh "$archive"
"$stormo" image load "$archive" --name "$name"

step "3. An application of three pods"
config=$(mktemp /tmp/stormo-kubeconfig-XXXXXX)
trap 'rm -f "$archive" "$config"' EXIT
"$stormo" cluster kubeconfig --name "$name" >"$config"
export KUBECONFIG=$config
"$stormo" apply -f examples/hello/
"$stormo" rollout status deployment/hello --timeout 60s
"$stormo" get pods -l app=hello -o wide

step "4. It answers from every node"
"$stormo" cluster status --name "$name" -o json | node_modules/node/bin/node -e '
  const { nodes } = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
  for (const { name } of nodes) console.log(name)' |
  while read -r node; do
    address=$("$stormo" get node "$node" -o json | node_modules/node/bin/node -e '
      const { status } = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
      console.log(status.addresses.find(({ type }) => type === "InternalIP").address)')
    answer=
    # The kernel rules of a node follow the state by some milliseconds.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      answer=$("$stormo" cluster ssh "$node" -- busybox timeout 2 busybox wget -qO- "http://$address:30080/" 2>/dev/null) && break
      sleep 0.5
    done
    [ -n "$answer" ] || { echo "http://$address:30080/ on $node does not answer" >&2; exit 1; }
    echo "http://$address:30080/   $answer"
  done

cat <<TXT

Cluster "$name" is up. Next:
  cli/stormo cluster ssh $name-2 -- stormo get pods -A      # any node is as good as another
  cli/stormo cluster stop $name-1                            # pull the plug of one; the others go on
  cli/stormo cluster kubeconfig --name $name > ~/.kube/config    # for kubectl
Clean up:
  cli/stormo cluster down --name $name
TXT
