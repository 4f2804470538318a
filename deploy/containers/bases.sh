#!/usr/bin/env bash
# Prints the bases of the images by the digests their tags have now, a NAME=image:tag@sha256:… each: the environment of
# `docker buildx bake`. What a release was built of is kept with it, so that it can be built again.
set -euo pipefail
cd "$(dirname "$0")/../.."

resolve() {
  local digest
  digest="$(docker buildx imagetools inspect "$2" --format '{{json .Manifest.Digest}}' | tr -d '"')"
  echo "$1=$2@$digest"
}

beam="$(sed -n 's/^ *"apache-beam\[gcp\]==\([0-9.]*\)",$/\1/p' pyproject.toml)"
resolve PYTHON docker.io/library/python:3.11-slim-bookworm
resolve BEAM "docker.io/apache/beam_python3.11_sdk:$beam"
resolve LAUNCHER gcr.io/dataflow-templates-base/python311-template-launcher-base:latest
