#!/usr/bin/env bash
# The wheel installs and runs where there is no checkout.
set -euo pipefail
here=$PWD
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
"$here/.venv/bin/python" -m build --wheel --outdir "$away" "$here" >/dev/null
python3 -m venv "$away/venv"
"$away/venv/bin/pip" install --quiet --constraint "$here/constraints.txt" "$away"/*.whl
cd "$away"
"$away/venv/bin/biobank" --instance "$away/instance" demo --participants 3
"$away/venv/bin/biobank" --instance "$away/instance" verify
"$away/venv/bin/biobank" --instance "$away/instance" openapi >"$away/openapi.json"
