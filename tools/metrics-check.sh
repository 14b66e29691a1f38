#!/usr/bin/env bash
# Serves an empty workspace with its API on, and lets promtool judge the page of metrics. $1: the program.
set -euo pipefail
program="$(realpath "$1")"
place="$(mktemp -d)"
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$place"' EXIT
export AHOY_API_TOKEN=a-token-for-one-check-0123456789
mkdir "$place/campaigns"
printf '[api]\nlisten = "127.0.0.1:0"\ntoken = { env = "AHOY_API_TOKEN" }\n' >"$place/ahoy.toml"
"$program" --workspace "$place" --json serve >"$place/out" &
server=$!
for _ in $(seq 100); do
    grep -q api "$place/out" && break
    sleep 0.1
done
url="$(sed 's/.*"api":"\([^"]*\)".*/\1/' "$place/out")"
curl --silent --show-error --fail -H "Authorization: Bearer $AHOY_API_TOKEN" "$url/metrics" | promtool check metrics
echo "promtool has nothing against the metrics"
