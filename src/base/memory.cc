// SPDX-License-Identifier: Apache-2.0
// Anonymous mappings, on huge pages where the machine has them reserved.
#include "base/memory.h"

#include <sys/mman.h>

#include <atomic>

namespace mtcp {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
std::atomic<AllocationHook> allocation_hook{nullptr};

void* map_anonymous(std::size_t bytes, int extra_flags) {
    void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | extra_flags, -1, 0);
    return address == MAP_FAILED ? nullptr : address;
}

}  // namespace

void set_allocation_hook(AllocationHook hook) { allocation_hook.store(hook); }

Region Region::map(std::size_t bytes, Pages pages) {
    Region region;
    if (bytes == 0) return region;
    if (AllocationHook hook = allocation_hook.load(); hook != nullptr && !hook(bytes))
        return region;
    const std::size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* address = nullptr;
    if (pages == Pages::huge_if_available) {
        // Without MAP_NORESERVE the kernel takes the pages from its pool now: a later touch cannot
        // end in SIGBUS.
        address = map_anonymous(rounded, MAP_HUGETLB);
        region.huge_ = address != nullptr;
    }
    const std::size_t size = region.huge_ ? rounded : bytes;
    if (address == nullptr) {
        address = map_anonymous(size, MAP_NORESERVE);
        if (address != nullptr && pages == Pages::huge_if_available) {
            static_cast<void>(::madvise(address, size, MADV_HUGEPAGE));
        }
    }
    region.data_ = static_cast<std::byte*>(address);
    region.size_ = address == nullptr ? 0 : size;
    return region;
}

void Region::release(std::size_t offset, std::size_t bytes) {
    // Refused (pages that are locked, explicit huge ones of another size): the memory stays ours.
    static_cast<void>(::madvise(data_ + offset, bytes, MADV_DONTNEED));
}

Region::~Region() {
    if (data_ != nullptr) static_cast<void>(::munmap(data_, size_));
}

}  // namespace mtcp
