#!/usr/bin/env bash
# Fetches the prebuilt llama.cpp libraries that tests/parity/llama_cpp compares with, by npm, into build/llama-cpp.
set -euo pipefail

version=3.22.1
folder="$(cd "$(dirname "$0")/.." && pwd)/build/llama-cpp"
libraries="$folder/package/bins/linux-x64"

if [[ -f "$folder/.version" && "$(<"$folder/.version")" == "$version" ]]; then
  echo "$libraries"
  exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
npm pack --silent "@node-llama-cpp/linux-x64@$version" >/dev/null
tar -xzf ./*.tgz
rm ./*.tgz
[[ -d "$libraries" ]] || { echo "error: the package has no bins/linux-x64; was it laid out anew?" >&2; exit 1; }
echo "$version" >"$folder/.version"
echo "$libraries"
