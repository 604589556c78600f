#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_programs.sh FOLDER NAME...: these programs are installed, and no others (those of tests, for one).
set -euo pipefail
folder=$1
shift
diff <(printf '%s\n' "$@" | sort) <(ls "$folder")
