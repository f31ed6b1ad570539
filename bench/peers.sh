#!/usr/bin/env bash
# bench/peers.sh NAME...: tools that are measured beside Ringkas and that no test needs, of fixed
# versions, each in build/bench-peers/NAME, so that nothing of the oracles' own environment changes.
# What they need besides is in build/venv. Exit 77: one of them could not be installed.
set -u

pins() {
    case $1 in
    onnxconverter-common) echo "onnxconverter-common==1.16.0" ;;
    nncf) echo "nncf==3.4.0 ninja==1.13.2 psutil==7.2.2 pydot==4.0.1 pyparsing==3.3.3" \
        "tabulate==0.10.0" ;;
    ctranslate2) echo "ctranslate2==4.8.5" ;;
    *) return 1 ;;
    esac
}

root=$(cd "$(dirname "$0")/.." && pwd)
lacking=0
for name in "$@"; do
    wanted=$(pins "$name") || { echo "peers.sh: no such tool: $name" >&2; exit 2; }
    folder=$root/build/bench-peers/$name
    log=$root/build/bench-peers/$name.log
    [ "$(cat "$folder/.pins" 2>/dev/null)" = "$wanted" ] && continue
    echo "bench: installing $wanted into build/bench-peers/$name" >&2
    rm -rf "$folder"
    mkdir -p "${folder%/*}" || exit 1
    # shellcheck disable=SC2086
    if "$root/build/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps \
            --target "$folder" $wanted >"$log" 2>&1; then
        echo "$wanted" >"$folder/.pins"
    else
        tail -n 3 "$log" >&2
        echo "bench: no $name (build/bench-peers/$name.log says why)"
        rm -rf "$folder"
        lacking=77
    fi
done
exit $lacking
