#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Many shells at once on /proc/memory_info, with nothing but a shell: each starts a process under a name of its
# own, and then must be answered with that process, whatever the others ask. Needs root and the loaded module.
#
#   stress/shells.sh [SHELLS=16] [SECONDS=30]

file=/proc/memory_info
shells=${1:-16}
seconds=${2:-30}

if ! test -w $file; then
    echo "$0: $file cannot be written: load the module, and run this as root" >&2
    exit 2
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'trap - TERM; kill 0' INT TERM

# What the last command given by this shell is answered, in the way that $1 names.
ask() {
    case $1 in
        0) echo "$2" > $file; cat $file ;;
        1) (echo "$2" > $file; cat $file) ;;
        2) sh -c "echo '$2' > $file; cat $file" ;;
    esac
}

# The answer must match the pattern.
expect() {
    answer=$(ask $(($2 % 3)) "$3")
    checked=$((checked + 1))
    case $answer in
        # shellcheck disable=SC2254 # a pattern is wanted
        $4) ;;
        *)
            wrong=$((wrong + 1))
            echo "shell $1: $3 was answered \"$answer\", not \"$4\"" >&2
            ;;
    esac
}

shell() {
    checked=0
    wrong=0
    name=own$1
    mkfifo "$work/never.$1"
    # Nothing ever comes out of a pipe that its reader holds open itself.
    sh -c 'printf %s "$1" > /proc/$$/comm; exec 3<> "$2"; read -r _ <&3' - "$name" "$work/never.$1" &
    pid=$!
    until test "$(cat /proc/$pid/comm)" = "$name"; do :; done
    while test "$(date +%s)" -lt "$end"; do
        expect "$1" $checked RESET '?SUCCESS?'
        for _ in 1 2 3 4; do
            expect "$1" $checked "FILTER|$name" "$name, total: *, pid(1): $pid"
        done
        expect "$1" $checked "FILTER|no$name" '?ERROR?: No such process'
    done
    kill $pid
    echo "$checked $wrong" > "$work/result.$1"
}

end=$(($(date +%s) + seconds))
number=0
while test $number -lt "$shells"; do
    shell $number &
    number=$((number + 1))
done
wait

cat "$work"/result.* | {
    ended=0 checked=0 wrong=0
    while read -r a b; do
        ended=$((ended + 1)) checked=$((checked + a)) wrong=$((wrong + b))
    done
    echo "shells: $ended of $shells"
    echo "answers checked: $checked"
    echo "mismatches: $wrong"
    test $ended -eq "$shells" && test $wrong -eq 0 && test $checked -gt 0
}
