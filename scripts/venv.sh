#!/usr/bin/env bash
# scripts/venv.sh [EXTRA]: a virtual environment in .venv with kdjax, and with the packages of an extra, such as test.
# Made once, and again when its Python is gone, too old, or not the one that PYTHON names. PIP: more words for pip.
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-} venv=.venv stamp=.venv/kdjax-${1:-base}
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
version='import sys; print("%d.%d" % sys.version_info[:2])'

suitable() { command -v "$1" >/dev/null 2>&1 && "$1" -c "$new_enough" 2>/dev/null; }

choose() {
  local name
  if [ -n "${PYTHON:-}" ]; then
    suitable "$PYTHON" && echo "$PYTHON" && return
    echo "error: PYTHON=$PYTHON is no Python 3.11 or newer; name another, or leave PYTHON out" >&2
    return 2
  fi
  for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
    suitable "$name" && echo "$name" && return
  done
  echo "error: kdjax needs Python 3.11 or newer and none is in PATH; install one, or name it: make PYTHON=/path/to/python3" >&2
  return 2
}

# Why the .venv that is there cannot be used; nothing when it can.
unfit() {
  "$venv/bin/python" -c '' 2>/dev/null || { echo "its Python does not start any more"; return; }
  "$venv/bin/python" -c "$new_enough" || { echo "its Python is $("$venv/bin/python" -c "$version"), older than 3.11"; return; }
  [ -z "${PYTHON:-}" ] || [ "$("$venv/bin/python" -c "$version")" = "$("$1" -c "$version")" ] ||
    echo "its Python is $("$venv/bin/python" -c "$version"), and PYTHON=$PYTHON is $("$1" -c "$version")"
}

python=""
if [ -e "$venv" ]; then
  [ -z "${PYTHON:-}" ] || python=$(choose)
  why=$(unfit "$python")
  if [ -n "$why" ]; then
    echo "making .venv anew: $why"
    python=$(choose)
    rm -rf "$venv"
  fi
fi
if [ ! -e "$venv" ]; then
  python=${python:-$(choose)}
  echo "making .venv with $("$python" --version)"
  "$python" -m venv "$venv" || { rm -rf "$venv"
    echo "error: $python cannot make a virtual environment; install its venv package (Debian: apt install python3-venv)" >&2
    exit 2; }
fi
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  echo "installing kdjax${extra:+ and what its \"$extra\" needs} into .venv (once)"
  "$venv/bin/python" -m pip install --disable-pip-version-check ${PIP:-} -e ".${extra:+[$extra]}" || {
    echo "error: pip could not install kdjax (its lines above say why); the same command tries again" >&2
    exit 1; }
  touch "$stamp"
fi
