#!/bin/sh
# Make the nodes' base system: make-base.sh DIRECTORY MMDEBSTRAP-ARGUMENT... SUITE
# Whole or not at all, and one at a time: a run whose controller was killed may still be at it.
set -eu
directory=$1
shift

exec 9> "$directory.lock"
flock 9
if [ ! -e "$directory" ]; then
    rm -rf --one-file-system "$directory.unfinished"
    mmdebstrap "$@" "$directory.unfinished" "$LAB_MIRROR"
    mv "$directory.unfinished" "$directory"
fi
rm -f "$directory.lock"
