#!/usr/bin/env bash
# What the documents tell people to type exists: commands, their options, files named.
. "$(dirname "$0")/lib.sh"
cd "$RK_SOURCE" || exit 1
documents=(README.md CONTRIBUTING.md doc/*.md bench/README.md)

commands=$("$RINGKAS" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p')
for command in $commands; do
    "$RINGKAS" "$command" --help >"$work/help.$command"
    check "README.md does not tell of $command" grep -q "^| \`$command\` |" README.md
done
# ringkas COMMAND ... --option: in code, also where the line is only begun there
said=0
while read -r place command rest; do
    if [ ! -e "$work/help.$command" ]; then
        fail "$place: there is no ringkas $command"
        continue
    fi
    for option in $(grep -oE -- '--[a-z][a-z-]+' <<<"$rest"); do
        said=$((said + 1))
        check "$place: $command has no $option" grep -qE -- "^ .{5}$option( |$)" \
            "$work/help.$command"
    done
done < <(grep -noE '(build/)?ringkas [a-z]+( [^`|]*)?' "${documents[@]}" |
    grep -E ":(build/)?ringkas ($(tr '\n' '|' <<<"$commands")x) " |
    sed -E 's/^([^:]*:[0-9]*):(build\/)?ringkas ([a-z]+)/\1 \3/')
check "only $said options found in the documents" [ "$said" -ge 20 ]

# Files and folders that a document names in code marks.
for document in "${documents[@]}"; do
    folders='src|tests|doc|cli|include|scripts|cmake|tools|bench|data'
    for name in $(grep -oE "\`($folders)/[A-Za-z0-9_./*-]*\`" "$document" | tr -d '`' |
        grep -vE 'NAME|X\.' | sort -u); do
        check "$document names $name, which is not there" [ -n "$(compgen -G "$name")" ]
    done
    for name in $(grep -oE '`[A-Z][A-Z-]+\.md`' "$document" | tr -d '`' | sort -u); do
        check "$document names $name, which is not there" \
            [ -e "$name" -o -e "doc/$name" -o "$name" = README.md ]
    done
done
check "a command of man pages" [ "$("$RINGKAS" --man train | head -c 3)" = .TH ]
cd "$area" || exit 1
finish
