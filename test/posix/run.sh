#!/usr/bin/env bash
# run.sh install | run.sh pjdfstest DIR | run.sh fsx DIR SEED OPS
#
# POSIX suites that others wrote, run in DIR (a directory on the file system under test; pjdfstest needs root). They are
# installed once, with cargo, into ${POSIX_TOOLS:-$HOME/.cache/posix-tools}, which takes about 3 minutes.
# A local ext4 gives pjdfstest 383 passed, 15 skipped, 0 failed; FUSE at best 382 passed and 16 skipped, because glibc says
# LINK_MAX 127 of it. Exit code 0 only when nothing failed, 2 when something that is needed is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${POSIX_TOOLS:-$HOME/.cache/posix-tools}
usage='usage: run.sh install | pjdfstest DIR | fsx DIR SEED OPS'
suite=${1:?$usage}

install() { # install CRATE VERSION
  [ -x "$tools/bin/$1" ] && return
  command -v cargo >/dev/null || { echo "run.sh: cargo is needed to install $1" >&2; exit 2; }
  cargo install --quiet --locked --root "$tools" --version "$2" "$1"
}

case $suite in
  install)
    install pjdfstest 0.2.2
    install fsx 0.3.2 ;;
  pjdfstest)
    dir=${2:?$usage}
    install pjdfstest 0.2.2
    [ "$(id -u)" = 0 ] || { echo 'run.sh: pjdfstest needs root' >&2; exit 2; }
    for user in fst1 fst2; do id "$user" >/dev/null 2>&1 || useradd -M "$user"; done
    mkdir -p "$dir"
    chmod 777 "$dir"
    exec "$tools/bin/pjdfstest" -c "$here/pjdfstest.toml" -p "$dir" ;;
  fsx)
    dir=${2:?$usage} seed=${3:?$usage} ops=${4:?$usage}
    install fsx 0.3.2
    mkdir -p "$dir"
    cd "$dir"
    exec "$tools/bin/fsx" -q -S "$seed" -N "$ops" "fsx-$seed" ;;
  *)
    echo "$usage" >&2
    exit 2 ;;
esac
