#!/usr/bin/env bash
# Converters that are measured beside Ringkas and that no test needs, in build/bench-peers, so that
# nothing of the oracles' own environment changes. What they need themselves is in build/venv.
set -u

peers="onnxconverter-common==1.16.0"
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/build/bench-peers
[ "$(cat "$folder/.pins" 2>/dev/null)" = "$peers" ] && exit 0
echo "bench: installing $peers into build/bench-peers" >&2
rm -rf "$folder"
if ! "$root/build/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps \
        --target "$folder" $peers >"$root/build/bench-peers.log" 2>&1; then
    tail -n 3 "$root/build/bench-peers.log" >&2
    echo "SKIP: no $peers (build/bench-peers.log says why)"
    exit 77
fi
echo "$peers" >"$folder/.pins"
