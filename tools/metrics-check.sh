#!/usr/bin/env bash
# Serves a new workspace with its API on, and lets promtool judge the page of metrics. $1: the program.
set -euo pipefail
program="$(realpath "$1")"
place="$(mktemp -d)"
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$place"' EXIT
export AHOY_API_TOKEN=a-token-for-one-check-0123456789
"$program" --quiet init "$place"
printf '\n[api]\nlisten = "127.0.0.1:0"\ntoken = { env = "AHOY_API_TOKEN" }\n' >>"$place/ahoy.toml"
"$program" --workspace "$place" --json --quiet serve >"$place/out" &
server=$!
for _ in $(seq 100); do
    url="$(sed -n 's/.*"api":"\([^"]*\)".*/\1/p' "$place/out")"
    [[ -n "$url" ]] && break
    kill -0 "$server" || { echo "ahoy serve ended"; exit 1; }
    sleep 0.1
done
curl --silent --show-error --fail -H "Authorization: Bearer $AHOY_API_TOKEN" "$url/metrics" >"$place/metrics"
grep -q '^ahoy_ledger_up 1$' "$place/metrics"
promtool check metrics <"$place/metrics"
echo "promtool has nothing against $(grep -c '^# TYPE' "$place/metrics") metrics"
