// SPDX-License-Identifier: Apache-2.0
// The result for a person and for a program.
#pragma once

#include <string>

#include "web_client/options.h"
#include "web_client/results.h"

namespace load {

// Both return what went wrong, or nothing.
std::string print_report(const Options& options, const Results& results);
std::string write_json(const Options& options, const Results& results);

}  // namespace load
