# Common to the tests of the command line: sourced, not run.
#   run CODE ARGS...            ringkas ARGS; out and err hold what it printed
#   refuse CODE PATTERN ARGS... the same, and: one line on stderr that matches PATTERN (extended
#                               regular expression), nothing on stdout, no file made or changed
#   refuse_row CODE ROWS PATTERN ARGS...   eval, stopped by a bad row after ROWS good ones
#   tiny DIR                    a small trained model folder
# Everything happens in $area, a folder of the test's own.
set -u
: "${RINGKAS:?}" "${RK_SOURCE:?}"
here=$RK_SOURCE/tests/cli
sample=$RK_SOURCE/data/sample
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
area=$work/area
mkdir "$area"
cd "$area" || exit 1
checks=0
failures=0
out=$work/out
err=$work/err

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

# A sanitizer's report ends the program with 99, which no test expects.
run() {
    local want=$1 code
    shift
    "$RINGKAS" "$@" >"$out" 2>"$err"
    code=$?
    checks=$((checks + 1))
    if [ "$code" != "$want" ]; then
        fail "exit $code, not $want: ringkas $*"
        sed 's/^/    /' "$err" | head -n 20
        return 1
    fi
}

listing() { find "$area" -printf '%p %y %s %m %T@\n' | LC_ALL=C sort; }

refuse() {
    local want=$1 pattern=$2 before after
    shift 2
    before=$(listing)
    run "$want" "$@" || return 1
    after=$(listing)
    one_line "$pattern" "$@"
    [ ! -s "$out" ] || fail "printed a result all the same: ringkas $*"
    [ "$before" = "$after" ] || {
        fail "left a trace: ringkas $*"
        diff <(echo "$before") <(echo "$after") | sed 's/^/    /'
    }
}

# refuse_row CODE ROWS PATTERN ARGS...: eval stops at a bad row: one line, and on stdout the figures
# of the ROWS rows before it, marked.
refuse_row() {
    local want=$1 rows=$2 pattern=$3
    shift 3
    run "$want" "$@" || return 1
    one_line "$pattern.*$rows rows before it" "$@"
    grep -q "^PARTIAL: the first $rows rows only" "$out" ||
        fail "no figures marked partial: ringkas $*"
    grep -q "^rows  *$rows " "$out" || fail "not of $rows rows: ringkas $*"
}

one_line() {
    local pattern=$1
    shift
    if [ "$(wc -l <"$err")" != 1 ] || ! grep -q '^ringkas: ' "$err"; then
        fail "want one line that starts with ringkas: from: ringkas $*"
        sed 's/^/    /' "$err" | head -n 20
    elif ! grep -Eq -- "$pattern" "$err"; then
        fail "the line does not say /$pattern/: $(cat "$err")"
    fi
}

tiny() {
    local dir=$1
    "$RINGKAS" init --train "$sample/train.tsv" --layers 1 --hidden 32 --heads 2 \
        --vocab-size 600 --max-length 64 --out "$work/tiny-init" --quiet >/dev/null &&
        "$RINGKAS" train --model "$work/tiny-init" --train "$sample/train.tsv" \
            --valid "$sample/valid.tsv" --out "$dir" --max-steps 30 --batch 16 --lr 1e-3 \
            --max-length 64 --quiet >/dev/null ||
        { echo "FAIL: cannot make the small model"; exit 1; }
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" = 0 ] && [ "$checks" != 0 ]
    exit
}
