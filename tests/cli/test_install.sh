#!/usr/bin/env bash
# make install: what it lays down, a program outside the tree that builds and runs with it, man
# pages without a warning, completion in bash.
. "$(dirname "$0")/lib.sh"
root=$area/root
prefix=$root/opt/ringkas
DESTDIR=$root cmake --install "$RK_BUILD" --prefix /opt/ringkas >"$out" 2>&1 ||
    { cat "$out"; fail "cmake --install"; }
check "something lies outside the prefix: $(find "$root" -type f ! -path "$prefix/*")" \
    [ -z "$(find "$root" -type f ! -path "$prefix/*")" ]
lib=$(dirname "$(find "$prefix" -name libringkas.a)")
version=$("$RINGKAS" --version | cut -d' ' -f2)
for file in "$prefix/bin/ringkas" "$prefix/include/ringkas.h" "$lib/libringkas.a" \
    "$lib/libringkas.so.$version" "$lib/pkgconfig/ringkas.pc" "$prefix/share/man/man1/ringkas.1" \
    "$prefix/share/bash-completion/completions/ringkas" \
    "$prefix/share/zsh/site-functions/_ringkas" \
    "$prefix/share/fish/vendor_completions.d/ringkas.fish"; do
    check "not installed: ${file#"$prefix/"}" [ -s "$file" ]
done
check "libringkas.so is no link to it" \
    [ "$(readlink -f "$lib/libringkas.so")" = "$lib/libringkas.so.$version" ]
check "soname" grep -q "SONAME.*libringkas.so.${version%%.*}\]" <(readelf -d "$lib/libringkas.so")

# The program installed runs where it lies, and elsewhere after a move.
check "ringkas --version" [ "$("$prefix/bin/ringkas" --version)" = "ringkas $version" ]
"$prefix/bin/ringkas" init --train "$sample/train.tsv" --layers 1 --hidden 32 --heads 2 \
    --vocab-size 600 --out model --quiet >/dev/null || fail "ringkas init, installed"
mv "$root/opt" "$area/moved"
prefix=$area/moved/ringkas
lib=$prefix/${lib#"$root/opt/ringkas/"}

# doc/*.c, built outside the tree with what pkg-config says.
export PKG_CONFIG_PATH=$lib/pkgconfig
check "pkg-config's version" [ "$(pkg-config --modversion ringkas)" = "$version" ]
for program in classify threads; do
    check "doc/$program.c has 40 lines or more" [ "$(wc -l <"$RK_SOURCE/doc/$program.c")" -lt 40 ]
done
cache() { sed -n "s/^$1:[A-Z]*=//p" "$RK_BUILD/CMakeCache.txt"; }
compiler=$(cache CMAKE_C_COMPILER)
flags=()
[ "$(cache RK_SANITIZE)" = ON ] && flags=(-fsanitize=address,undefined)
cp "$RK_SOURCE/doc/classify.c" "$RK_SOURCE/doc/threads.c" .
for program in classify threads; do
    # shellcheck disable=SC2046
    "$compiler" -std=c17 -Wall -Wextra -Wpedantic -Werror "${flags[@]}" "$program.c" -o "$program" \
        $(pkg-config --cflags --libs ringkas) -pthread "-Wl,-rpath,$lib" >"$out" 2>&1 ||
        { cat "$out"; fail "$program.c does not build"; }
done
head -n 20 "$sample/test.tsv" | cut -f1 >texts
"$RINGKAS" predict model <texts >want 2>/dev/null
./classify model <texts >got 2>"$err" || fail "classify: $(cat "$err")"
check "classify answers otherwise than predict" cmp -s got want
check "20 answers" [ "$(wc -l <got)" = 20 ]
mapfile -t lines < <(head -n 10 texts)
./threads model "${lines[@]}" >got 2>"$err" || fail "threads: $(cat "$err")"
check "threads answer otherwise than predict" cmp -s <(LC_ALL=C sort got) \
    <(head -n 10 want | cut -f 1,3 | LC_ALL=C sort)
./classify nowhere <texts >got 2>"$err"
check "classify nowhere: exit $?" [ "$?" = 1 ]
check "classify does not say why" grep -q '^classify: nowhere: ' "$err"

# C++ takes the header too.
if command -v c++ >/dev/null; then
    echo '#include <ringkas.h>
int main() { return rk_version()[0] == 0; }' >plus.cc
    # shellcheck disable=SC2046
    check "the header in C++" c++ "${flags[@]}" plus.cc -o plus \
        $(pkg-config --cflags --libs ringkas) "-Wl,-rpath,$lib"
fi

# A man page for the program and each command; every option of --help is in it.
commands=$("$RINGKAS" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p')
check "commands" [ "$(wc -w <<<"$commands")" -ge 11 ]
for page in "" $commands; do
    file=$prefix/share/man/man1/ringkas${page:+-$page}.1
    check "no man page of $page" [ -s "$file" ]
    if command -v groff >/dev/null; then
        groff -man -Tutf8 -ww "$file" 2>"$err" | sed 's/\x1b\[[0-9;]*m//g; s/.\x08//g' >"$out"
        check "groff about ringkas${page:+-$page}.1: $(head -n 2 "$err")" [ ! -s "$err" ]
        # troff's own hyphens would hide an option that is broken over a line
        for option in $("$RINGKAS" ${page:-} --help |
            sed -n '/^Options/,/^$/s/^ .\{5\}--\([a-z-]*\).*/\1/p'); do
            check "--$option is not in the man page of ${page:-ringkas}" \
                grep -q -- "--$option" "$out"
        done
    fi
done
command -v groff >/dev/null || echo "SKIP: part: man pages are not rendered, no groff here"

# Completion, as bash calls it.
complete_words() {
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _ringkas; printf "%s\n" "${COMPREPLY[@]}"' - \
        "$prefix/share/bash-completion/completions/ringkas" "$@" | LC_ALL=C sort | tr '\n' ' '
}
expect() {
    local want=$1 got
    shift
    got=$(complete_words "$@")
    check "completion of: $*: got '$got', not '$want'" [ "$got" = "$want" ]
}
expect "pipeline predict " ringkas p
expect "train " ringkas tr
expect "train " ringkas help tr
expect "--completion --help --man --version " ringkas --
expect "bash fish zsh " ringkas --completion ""
expect "--valid " ringkas train --va
expect "fp16 int8 none " ringkas train --qat ""
expect "fp16 " ringkas convert in.onnx --to fp
expect "fp16 " ringkas convert in.onnx --to = fp
expect "bf16 fp16 int8 " ringkas convert in.onnx --to =
expect " " ringkas train --epochs ""
mkdir -p "two words"
touch "texts here.tsv"
expect "two words " ringkas train --model two
expect "texts texts here.tsv " ringkas eval model --data tex
expect "model " ringkas eval mod
for command in $commands; do
    want=$("$RINGKAS" "$command" --help | sed -n '/^Options/,/^$/s/^ .\{5\}\(--[a-z-]*\).*/\1/p' |
        LC_ALL=C sort | tr '\n' ' ')
    expect "$want" ringkas "$command" --
done

# After an option that takes a value nothing else is offered: files or folders where it wants one,
# nothing where only the user can know.
free=0
for command in $commands; do
    while read -r option value; do
        case $value in
        *\|*) continue ;;
        FILE) want="texts texts here.tsv " ;;
        *) want=" " ;;
        esac
        free=$((free + 1))
        expect "$want" ringkas "$command" "$option" tex
    done < <("$RINGKAS" "$command" --help |
        sed -n '/^Options/,/^$/s/^ .\{5\}\(--[a-z-]*\) \([A-Z][^ ]*\).*/\1 \2/p')
done
check "only $free options with a value" [ "$free" -ge 50 ]

# Words that an option can be are those that the program takes.
for command in $commands; do
    "$RINGKAS" "$command" --help |
        sed -n 's/^ .\{5\}--\([a-z-]*\) \([a-z0-9]*|[a-z0-9|]*\).*/\1 \2/p' |
        while read -r option words; do
            for word in ${words//|/ }; do
                "$RINGKAS" "$command" "--$option" "$word" </dev/null 2>&1 |
                    grep -q "is not known\|unknown level" && echo "$command --$option $word"
            done
        done
done >"$out"
check "listed but not taken: $(head -n 3 "$out")" [ ! -s "$out" ]
if command -v zsh >/dev/null; then
    check "zsh's syntax" zsh -n "$prefix/share/zsh/site-functions/_ringkas"
fi
if command -v fish >/dev/null; then
    check "fish's syntax" fish -n "$prefix/share/fish/vendor_completions.d/ringkas.fish"
fi
run 2 --completion tcsh
check "no word about the shells" grep -q 'bash, zsh or fish' "$err"
finish
