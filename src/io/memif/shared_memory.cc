// SPDX-License-Identifier: Apache-2.0
// memfd, seals, and the checks before a stranger's file is mapped.
#include "io/memif/shared_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

namespace mtcp::io::memif {
namespace {

std::byte* map_shared(int descriptor, std::size_t bytes) {
    void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (address == MAP_FAILED) return nullptr;
    static_cast<void>(::madvise(address, bytes, MADV_HUGEPAGE));
    return static_cast<std::byte*>(address);
}

// True when the file cannot shrink any more; seals it if its maker left that to us.
bool cannot_shrink(int descriptor) {
    const int seals = ::fcntl(descriptor, F_GET_SEALS);
    if (seals < 0) return false;
    return (seals & F_SEAL_SHRINK) != 0 || ::fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK) == 0;
}

}  // namespace

Result<SharedMemory, int> SharedMemory::create(std::size_t bytes, FileDescriptor& descriptor) {
    FileDescriptor file(::memfd_create("mtcp_memif", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file.open()) return failure(errno);
    if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return failure(errno);
    // The last seal keeps the other end from adding some that would stop us.
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return failure(errno);
    SharedMemory memory;
    memory.data_ = map_shared(file.get(), bytes);
    if (memory.data_ == nullptr) return failure(errno);
    memory.size_ = bytes;
    descriptor = std::move(file);
    return memory;
}

Result<SharedMemory, const char*> SharedMemory::map(const FileDescriptor& descriptor,
                                                    std::uint64_t bytes, Sealing sealing) {
    if (sealing == Sealing::required) {
        if (!cannot_shrink(descriptor.get()))
            return failure("region is not sealed against shrinking");
        // A hole punched into huge pages can end in SIGBUS when the pool is empty.
        struct statfs filesystem {};
        if (::fstatfs(descriptor.get(), &filesystem) != 0 ||
            static_cast<unsigned long>(filesystem.f_type) == HUGETLBFS_MAGIC) {
            return failure("region lies on huge pages");
        }
    }
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0 || status.st_size <= 0 || bytes == 0 ||
        static_cast<std::uint64_t>(status.st_size) < bytes) {
        return failure("region is larger than its file");
    }
    const std::uint64_t mapped = std::min(bytes, kRegionReach);
    SharedMemory memory;
    memory.data_ = map_shared(descriptor.get(), mapped);
    if (memory.data_ == nullptr) return failure("region cannot be mapped");
    memory.size_ = mapped;
    return memory;
}

SharedMemory::~SharedMemory() {
    if (data_ != nullptr) static_cast<void>(::munmap(data_, size_));
}

}  // namespace mtcp::io::memif
