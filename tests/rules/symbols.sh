#!/usr/bin/env bash
# libringkas.so exports names of include/ringkas.h and nothing else; all of them start with rk_.
set -u
: "${RK_BUILD:?}" "${RK_SOURCE:?}"
lib=$RK_BUILD/libringkas.so
names=$(nm -D --defined-only "$lib" | awk '{ print $NF }' | sed 's/@.*//' | sort -u) || exit 1
if [ -z "$names" ]; then
    echo "$lib: exports nothing; is RK_API missing from include/ringkas.h?"
    exit 1
fi
wrong=0
for name in $names; do
    case $name in
    rk_*) ;;
    *)
        echo "libringkas.so exports $name; want rk_ names only"
        wrong=1
        continue
        ;;
    esac
    if ! grep -qw -- "$name" "$RK_SOURCE/include/ringkas.h"; then
        echo "libringkas.so exports $name, which include/ringkas.h does not declare"
        wrong=1
    fi
done
# Linked statically, our global names must not meet a program's own.
for name in $(nm -g --defined-only "$RK_BUILD/libringkas.a" 2>/dev/null |
    awk 'NF == 3 { print $3 }' | sort -u); do
    case $name in
    rk_* | onnx__*) ;;
    *)
        echo "libringkas.a defines $name; want rk_ names, or static"
        wrong=1
        ;;
    esac
done
echo "symbols: $(echo "$names" | wc -l) exported"
exit $wrong
