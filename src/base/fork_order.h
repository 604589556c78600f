// SPDX-License-Identifier: Apache-2.0
// Who looks at fork() registers as the library is loaded, by constructors of these priorities: one
// who registers later may be half done in a child, or missed by a fork that has begun (glibc takes
// the list first and runs it then). What comes before a fork runs last registered first.
#pragma once

namespace mtcp {

inline constexpr int kFirstForFork = 201;   // io/af_xdp/fork_guard.cc
inline constexpr int kSecondForFork = 202;  // api/process.cc
inline constexpr int kThirdForFork = 203;   // io/forked_child.cc

}  // namespace mtcp
