#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Stress test of /proc/memory_info that needs nothing but a shell: many shells each start a process with a name of
# its own, and check that the answers to their commands are about this process, whatever the other shells ask.
# Needs root and the loaded module.
#
# Exit status: 0 if all answers were right and all shells ended; 1 otherwise; 2 if the file cannot be written.
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

# Gives the command $2 and prints the answer; $1 selects the process that writes and the one that reads.
ask() {
    case $1 in
        0) echo "$2" > $file; cat $file ;;
        1) (echo "$2" > $file; cat $file) ;;
        2) sh -c "echo '$2' > $file; cat $file" ;;
    esac
}

# Checks that the answer of shell $1 to the command $3 matches the pattern $4.
expect() {
    answer=$(ask $(($2 % 3)) "$3")
    checked=$((checked + 1))
    case $answer in
        # shellcheck disable=SC2254 # the variable contains a pattern
        $4) ;;
        *)
            wrong=$((wrong + 1))
            echo "shell $1: $3 was answered \"$answer\", expected \"$4\"" >&2
            ;;
    esac
}

shell() {
    checked=0
    wrong=0
    name=own$1
    mkfifo "$work/never.$1"
    # The process waits for ever: it reads a pipe whose only writer is itself.
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
