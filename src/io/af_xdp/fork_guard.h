// SPDX-License-Identifier: Apache-2.0
// Open AF_XDP devices of this process. A child made by fork() inherits descriptors that would keep
// the interface taken after the parent has ended; the guard has the child let go of them.
#pragma once

namespace mtcp::io {

class AfXdpDevice;

void guard_against_fork(AfXdpDevice* device);
void forget_device(AfXdpDevice* device);

}  // namespace mtcp::io
