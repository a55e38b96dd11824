#!/usr/bin/env bash
# mypy --strict over the package as it is installed: convert/ and bench/ are parts of it, linked in here so that their
# types are seen across the seam. Then over the tests that hold the project together.
set -euo pipefail

root="$(cd "$(dirname "$0")/.." && pwd)"
tree="$(mktemp -d)"
trap 'rm -rf "$tree"' EXIT
mkdir "$tree/gptoss_gguf"
ln -s "$root"/python/gptoss_gguf/* "$root/convert" "$root/bench" "$tree/gptoss_gguf/"

options=(--strict --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache")
(cd "$tree" && mypy "${options[@]}" --package gptoss_gguf)
cd "$root"
MYPYPATH="$tree" mypy "${options[@]}" tests/conftest.py tests/architecture tests/native
# The parts of the trainer that do without PyTorch, which only the trainer needs.
MYPYPATH="$tree" mypy "${options[@]}" training/data training/batches.py training/evaluate.py
