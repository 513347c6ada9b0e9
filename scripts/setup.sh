#!/usr/bin/env bash
# Everything that a fresh clone needs before a command of it can run: the npm packages, among them the Node.js that
# the project pins. Debian's packages are the business of `stormo cluster up`, which knows what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "stormo: $*" >&2; exit 1; }
[ "$(uname -s)" = Linux ] || die "needs Linux: the nodes of a local cluster are made of namespaces"
[ "$(id -u)" = 0 ] || die "not root: namespaces, nftables and dockerd need it; run it again with sudo"
command -v npm >/dev/null || die "npm is missing: install Node.js 20 or newer"

stamp=node_modules/.stormo-lock
if ! cmp -s package-lock.json "$stamp"; then
  echo "Installing npm packages…" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json "$stamp"
fi
[ -x node_modules/node/bin/node ] || npm rebuild node --loglevel=error >&2
[ -x node_modules/node/bin/node ] || die "the package 'node' brought no binary: allow its install script (npm install-scripts approve node) and run npm ci"
