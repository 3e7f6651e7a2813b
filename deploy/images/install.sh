#!/bin/sh
# install.sh SERVICE cpu|cuda: what a service of voxmesh needs, into $PREFIX, with the versions and hashes of
# requirements.lock. Runs in a folder with requirements.lock and pyproject.toml. uv, too, comes from the lock, into $TOOLS.
set -eu
service=$1 device=$2

if [ ! -x "$TOOLS/bin/uv" ]; then
    python3 -m venv "$TOOLS"
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$TOOLS/uv.txt"
    "$TOOLS/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$TOOLS/uv.txt"
fi

# The lock's torch is built for CUDA and brings gigabytes of it. The builds for processors are the same versions from
# PyTorch's own index, which has other hashes: of these packages, and of no other, the lock then gives the version alone.
constraints=$TOOLS/$service-$device.txt
case $device in
cuda) cp requirements.lock "$constraints" ;;
cpu) awk '/^torch(audio|codec|vision)?==/ { print $1; bare = 1; next } /^[^ ]/ { bare = 0 } !bare' requirements.lock \
    >"$constraints" ;;
*)
    echo "DEVICE is $device; it must be cpu or cuda" >&2
    exit 2
    ;;
esac
case $device in cpu) set -- --torch-backend cpu ;; *) set -- ;; esac

# `voxmesh models pull` downloads with pip, and shows it with rich; the gateway has no models.
[ "$service" = gateway ] || set -- "$@" pip rich

"$TOOLS/bin/uv" venv --quiet --python "$(command -v python3)" "$PREFIX"
"$TOOLS/bin/uv" pip install --quiet --python "$PREFIX/bin/python" --only-binary :all: \
    --constraint "$constraints" --overrides "$(dirname "$0")/overrides.txt" --requirement pyproject.toml --extra "$service" "$@"
