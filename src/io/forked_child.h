// SPDX-License-Identifier: Apache-2.0
// Descriptors that a child of a fork() must not keep: with them a device, or a peer's view of it,
// would outlive the process that it belongs to.
#pragma once

namespace mtcp::io {

// Any child closes `descriptor`; until forget_descriptor(), which comes before it is closed here.
void close_in_forked_child(int descriptor);
void forget_descriptor(int descriptor);

}  // namespace mtcp::io
