#!/usr/bin/env bash
# Output folders that cannot be written: refused before any work, as a user without root's rights.
. "$(dirname "$0")/lib.sh"
tiny "$work/tiny"
"$RINGKAS" export "$work/tiny" -o "$work/tiny.onnx" --quiet || fail "export"
chmod -R a+rX "$work"
mkdir ro
echo keep >ro/kept
chmod -R a-w ro
if [ "$(id -u)" = 0 ]; then
    # Root may write anywhere; nobody may not. The program goes where nobody can read it.
    if command -v setpriv >/dev/null; then
        drop=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    else
        echo "SKIP: running as root, and there is no setpriv to drop it"
        exit 77
    fi
    cp "$RINGKAS" "$work/ringkas"
    chmod 755 "$work/ringkas"
    for lib in $(ldd "$RINGKAS" | awk '$3 ~ /^\// { print $3 }'); do
        "${drop[@]}" test -r "$lib" || cp -L "$lib" "$work/"
    done
    cp -r "$sample" "$work/sample"
    chmod -R a+rX "$work/sample"
    sample=$work/sample
    cat >"$work/dropped" <<END
#!/bin/sh
export LD_LIBRARY_PATH=$work
exec ${drop[*]} $work/ringkas "\$@"
END
    chmod 755 "$work/dropped"
    RINGKAS=$work/dropped
fi
run 0 --version
if "$RINGKAS" init --train "$sample/train.tsv" --out ro/probe --quiet >/dev/null 2>&1; then
    fail "a read-only folder was written to"
fi

why="ro.*(Permission denied|cannot write)"
started=$(date +%s)
refuse 1 "$why" init --train "$sample/train.tsv" --out ro/x
refuse 1 "$why" train --model "$work/tiny" --train "$sample/train.tsv" \
    --valid "$sample/valid.tsv" --out ro/x --epochs 1000
refuse 1 "$why" export "$work/tiny" -o ro/x.onnx
refuse 1 "$why" convert "$work/tiny.onnx" -o ro/x.onnx --to fp16
refuse 1 "$why" pipeline --model "$work/tiny" --data "$sample" --out ro/x --epochs 1000
refuse 1 "$why" pipeline --model "$work/tiny" --data "$sample" --out ro --epochs 1000
refuse 1 "kept" train --model "$work/tiny" --train "$sample/train.tsv" \
    --valid "$sample/valid.tsv" --out ro/kept/x --epochs 1000
check "the training went on for long before it looked" [ $(($(date +%s) - started)) -lt 60 ]
finish
