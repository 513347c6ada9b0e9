#!/usr/bin/env bash
# Runs everything: format, lint, types, dead code, unit tests, then the tests on real machines, Docker and kubectl.
# Ends with the line `N passed, N failed`. STORMO_TEST_ALL=1 runs the long forms of sampled tests too.
set -uo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh || { echo "0 passed, 1 failed"; exit 1; }
export PATH="$PWD/node_modules/.bin:$PWD/node_modules/node/bin:$PATH"

reports=$(mktemp -d /tmp/stormo-test-XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$reports"' EXIT
failed=0
run() {
  echo "== $1"
  shift
  "$@" || failed=$((failed + 1))
}

run "format, lint, types, dead code, unit tests" bash scripts/check.sh --reporter=default --reporter=json --outputFile.json="$reports/unit.json"
run "simulation, fuzz, build" vitest run --project long --reporter=default --reporter=json --outputFile.json="$reports/long.json"
run "prerequisites" node cli/main.ts cluster prepare
# Beside each other: the ones wait for machines while the others wait for containers.
vitest run --project node --reporter=default --reporter=json --outputFile.json="$reports/node.json" >"$reports/node.log" 2>&1 &
node_lane=$!
run "tests on machines" vitest run --project machines --reporter=default --reporter=json --outputFile.json="$reports/machines.json"
run "tests on one node" wait "$node_lane"
cat "$reports/node.log"
run "chaos" vitest run --project chaos --reporter=default --reporter=json --outputFile.json="$reports/chaos.json"

node scripts/count-tests.ts "$failed" "$reports/unit.json" "$reports"/{long,machines,node,chaos}.json
