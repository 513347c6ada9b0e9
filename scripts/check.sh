#!/usr/bin/env bash
# What every commit passes: format, lint, types, dead code, unit tests. Arguments go to vitest.
# The compiler and the search for dead code run beside the unit tests: the slowest of the three is what one waits for.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PWD/node_modules/node/bin:$PATH"
output=$(mktemp -d /tmp/stormo-check-XXXXXX)
trap 'rm -rf "$output"' EXIT

failed=()
oxfmt --check . || failed+=(format)
oxlint || failed+=(lint)
tsc --noEmit --incremental --tsBuildInfoFile node_modules/.cache/tsc.tsbuildinfo >"$output/types" 2>&1 &
types=$!
knip >"$output/deadcode" 2>&1 &
deadcode=$!
vitest run --project unit "$@" || failed+=("unit tests")
wait "$types" || { failed+=(types) && cat "$output/types"; }
wait "$deadcode" || { failed+=("dead code") && cat "$output/deadcode"; }

((${#failed[@]} == 0)) && exit 0
printf 'failed: %s\n' "${failed[*]}" >&2
exit 1
