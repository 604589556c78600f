#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_symbols.sh LIBRARY: the shared library exports the C API and nothing else.
set -euo pipefail

exported=$(nm -D --defined-only "$1" | awk '$2 ~ /[TDBRVW]/ {print $3}')
[[ $(grep -c '^mtcp_' <<< "$exported") -gt 0 ]] || { echo "no mtcp_ function is exported"; exit 1; }
# GetNumCPUs and EventToString carry the names that the original library gave them.
if grep -vE '^(mtcp_[a-z0-9_]+|GetNumCPUs|EventToString)$' <<< "$exported"; then
    echo "exported, but not part of the API (above)"
    exit 1
fi
