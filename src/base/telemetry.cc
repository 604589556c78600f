// SPDX-License-Identifier: Apache-2.0
// Making, finding and checking counters files.
#include "base/telemetry.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/cache_line.h"

namespace mtcp {
namespace {

constexpr int kCoresMax = 1024;
constexpr int kFilesPerPid = 16;
constexpr std::string_view kFilePrefix = "mtcp.";

constexpr std::size_t rounded_to_lines(std::size_t bytes) {
    return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}
constexpr std::size_t kCoreOffset = rounded_to_lines(sizeof(TelemetryHeader));
constexpr std::size_t kCoreStride = rounded_to_lines(sizeof(Counters));
#define MTCP_ONE(name, text) +1
constexpr std::size_t kListedWords = 0 MTCP_COUNTER_LIST(MTCP_ONE) MTCP_DROP_LIST(MTCP_ONE);
#undef MTCP_ONE
constexpr std::size_t kLevelWords = 4;
static_assert(sizeof(Counters) == (kListedWords + kLevelWords) * sizeof(std::uint64_t),
              "a level joined Counters: name it in telemetry_layout() and in `mtcp stat`");

std::vector<std::string> folders() {
    std::vector<std::string> found{"/dev/shm"};
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR");
        runtime != nullptr && *runtime == '/') {
        found.emplace_back(runtime);
    }
    found.emplace_back("/tmp");
    return found;
}

Failure<Problem> cannot(const std::string& what, const std::string& path, int error,
                        std::string mend) {
    return failure(Problem{.what = "cannot " + what + " the counters file " + path,
                           .why = std::strerror(error),
                           .mend = std::move(mend),
                           .error = error});
}
Failure<Problem> not_readable(const std::string& path, std::string why, std::string mend) {
    return failure(Problem{.what = "cannot read counters from " + path,
                           .why = std::move(why),
                           .mend = std::move(mend),
                           .error = EINVAL});
}

// A stack holds its file exclusively locked: a shared lock tells whether it is gone.
bool is_held(int descriptor) {
    if (::flock(descriptor, LOCK_SH | LOCK_NB) == 0) {
        static_cast<void>(::flock(descriptor, LOCK_UN));
        return false;
    }
    return true;
}

// A file in the way of one of ours, whatever is in it: its process had the pid that we have now.
void remove_leftover(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) return;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) static_cast<void>(::unlink(path.c_str()));
    static_cast<void>(::close(descriptor));
}

// Locks a file just made. False: somebody took it for a leftover before it was locked.
bool hold(int descriptor) {
    struct stat status = {};
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
    return ::fstat(descriptor, &status) == 0 && status.st_nlink != 0;
}

// By the lock, not by the pid: that may be one of another namespace. The header is written under
// the lock, so a file that has one, of whatever build, and can be locked has lost its stack.
void remove_if_left_behind(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) return;
    std::uint64_t magic = 0;
    struct stat status = {};
    if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        ::pread(descriptor, &magic, sizeof magic, 0) == sizeof magic && magic == kTelemetryMagic &&
        ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && ::fstat(descriptor, &status) == 0 &&
        status.st_nlink != 0) {  // else another removed it, and the name may be a living stack's
        static_cast<void>(::unlink(path.c_str()));
    }
    static_cast<void>(::close(descriptor));
}

std::vector<std::string> counters_files(const std::string& folder) {
    std::vector<std::string> paths;
    DIR* listing = ::opendir(folder.c_str());
    if (listing == nullptr) return paths;
    while (const dirent* entry = ::readdir(listing)) {
        const std::string_view name = entry->d_name;
        if (name.substr(0, kFilePrefix.size()) == kFilePrefix) {
            paths.push_back(folder + "/" + std::string(name));
        }
    }
    static_cast<void>(::closedir(listing));
    return paths;
}

}  // namespace

std::uint64_t telemetry_layout() {
    constexpr std::string_view kNames =
#define MTCP_COUNTER_NAME(name, text) #name ";"
        MTCP_COUNTER_LIST(MTCP_COUNTER_NAME)
#undef MTCP_COUNTER_NAME
            "connections;half_open;time_wait;chunks_used;"
#define MTCP_DROP_NAME(name, text) #name ";"
        MTCP_DROP_LIST(MTCP_DROP_NAME)
#undef MTCP_DROP_NAME
        ;
    std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a
    for (const char letter : kNames) {
        hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100'0000'01b3;
    }
    return hash;
}

Result<TelemetryFile, Problem> TelemetryFile::create(int cores) {
    remove_leftovers();
    Problem first_problem;
    for (const std::string& folder : folders()) {
        auto file = create_in(folder, cores);
        if (file || file.error().error == EINVAL) return file;
        if (first_problem.error == 0) first_problem = file.error();
    }
    return failure(std::move(first_problem));
}

Result<TelemetryFile, Problem> TelemetryFile::create_in(const std::string& folder, int cores) {
    if (cores < 1 || cores > kCoresMax) {
        return failure(Problem{.what = "cannot make a counters file",
                               .why = std::to_string(cores) + " cores",
                               .mend = "ask for 1 to " + std::to_string(kCoresMax) + " cores",
                               .error = EINVAL});
    }
    const std::string base = folder + "/" + std::string(kFilePrefix) + std::to_string(::getpid());
    TelemetryFile file;
    for (int i = 0; i < kFilesPerPid && file.descriptor_ < 0; ++i) {
        const std::string path = i == 0 ? base : base + "." + std::to_string(i);
        remove_leftover(path);
        file.descriptor_ =
            ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (file.descriptor_ < 0 && errno != EEXIST) break;
        if (file.descriptor_ < 0) continue;
        if (hold(file.descriptor_)) {
            file.path_ = path;
        } else {
            static_cast<void>(::close(std::exchange(file.descriptor_, -1)));
            errno = EEXIST;
        }
    }
    if (file.descriptor_ < 0) {
        return cannot("create", base, errno, "make " + folder + " writable");
    }
    file.owner_pid_ = ::getpid();
    file.size_ = kCoreOffset + static_cast<std::size_t>(cores) * kCoreStride;
    // posix_fallocate, so that a full file system is an error here and not a SIGBUS later.
    if (const int error = ::posix_fallocate(file.descriptor_, 0, static_cast<off_t>(file.size_));
        error != 0) {
        return cannot("size", file.path_, error, "free some space in " + folder);
    }
    void* memory =
        ::mmap(nullptr, file.size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor_, 0);
    if (memory == MAP_FAILED) return cannot("map", file.path_, errno, "free some memory");
    file.memory_ = static_cast<std::byte*>(memory);
    for (int i = 0; i < cores; ++i)
        new (&file.core(i)) Counters{};
    const TelemetryHeader header{.core_count = static_cast<std::uint32_t>(cores),
                                 .layout = telemetry_layout(),
                                 .core_offset = kCoreOffset,
                                 .core_stride = kCoreStride,
                                 .start_unix_seconds = std::time(nullptr),
                                 .pid = file.owner_pid_};
    std::memcpy(file.memory_, &header, sizeof header);
    return file;
}

TelemetryFile::~TelemetryFile() {
    if (memory_ != nullptr) static_cast<void>(::munmap(memory_, size_));
    if (descriptor_ < 0) return;
    if (owner_pid_ == ::getpid()) static_cast<void>(::unlink(path_.c_str()));
    static_cast<void>(::close(descriptor_));
}

void TelemetryFile::swap(TelemetryFile& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    std::swap(owner_pid_, other.owner_pid_);
}

Counters& TelemetryFile::core(int index) {
    const std::size_t at = kCoreOffset + static_cast<std::size_t>(index) * kCoreStride;
    MTCP_ASSERT(index >= 0 && at + kCoreStride <= size_);
    return *reinterpret_cast<Counters*>(memory_ + at);
}

Result<TelemetryView, Problem> TelemetryView::open(int pid) {
    const std::string base = "/" + std::string(kFilePrefix) + std::to_string(pid);
    std::optional<TelemetryView> leftover;
    std::string reason;
    for (const std::string& folder : folders()) {
        for (int i = 0; i < kFilesPerPid; ++i) {
            const std::string path = folder + base + (i == 0 ? "" : "." + std::to_string(i));
            if (::access(path.c_str(), F_OK) != 0) continue;
            auto view = open_file(path);
            if (view && view->alive()) return view;
            if (view && !leftover) leftover = std::move(view).value();
            if (!view) reason = view.error().why;
        }
    }
    if (leftover) return std::move(*leftover);
    if (!reason.empty()) return not_readable("process " + std::to_string(pid), reason, "");
    return failure(Problem{.what = "no stack runs in process " + std::to_string(pid),
                           .why = "it has no counters file",
                           .mend = "`mtcp stat` without a PID lists the running stacks",
                           .error = ENOENT});
}

Result<TelemetryView, Problem> TelemetryView::open_file(const std::string& path) {
    TelemetryView view;
    view.path_ = path;
    view.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (view.descriptor_ < 0) return cannot("open", path, errno, "run as the stack's user or root");
    struct stat status = {};
    TelemetryHeader& header = view.header_;
    if (::fstat(view.descriptor_, &status) != 0 || !S_ISREG(status.st_mode) ||
        ::pread(view.descriptor_, &header, sizeof header, 0) != sizeof header ||
        header.magic != kTelemetryMagic) {
        return not_readable(path, "not a counters file", "name another file");
    }
    if (header.version != kTelemetryVersion || header.layout != telemetry_layout()) {
        return not_readable(path, "written by another version of mtcp",
                            "use the `mtcp` command of the build that runs");
    }
    if (header.core_offset != kCoreOffset || header.core_stride != kCoreStride ||
        header.core_count < 1 || header.core_count > kCoresMax ||
        static_cast<std::size_t>(status.st_size) < kCoreOffset + header.core_count * kCoreStride) {
        return not_readable(path, "its header contradicts its size", "name another file");
    }
    return view;
}

TelemetryView::~TelemetryView() {
    if (descriptor_ >= 0) static_cast<void>(::close(descriptor_));
}

void TelemetryView::swap(TelemetryView& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(header_, other.header_);
}

// What is no longer there reads as zero.
Counters TelemetryView::core(int index) const {
    MTCP_ASSERT(index >= 0 && index < core_count());
    static_assert(std::is_trivially_copyable_v<Counters>);
    const std::size_t at = kCoreOffset + static_cast<std::size_t>(index) * kCoreStride;
    Counters copy;
    static_cast<void>(
        !::pread(descriptor_, static_cast<void*>(&copy), sizeof copy, static_cast<off_t>(at)));
    return copy;
}

bool TelemetryView::alive() const { return is_held(descriptor_); }

void remove_leftovers_in(const std::string& folder) {
    for (const std::string& path : counters_files(folder))
        remove_if_left_behind(path);
}

void remove_leftovers() {
    for (const std::string& folder : folders())
        remove_leftovers_in(folder);
}

namespace {

template <typename Counts>
std::vector<std::string> counters_files_with(Counts counts) {
    std::vector<std::string> found;
    for (const std::string& folder : folders()) {
        for (const std::string& path : counters_files(folder))
            if (counts(path)) found.push_back(path);
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

std::vector<std::string> running_stacks() {
    return counters_files_with([](const std::string& path) {
        const auto view = TelemetryView::open_file(path);
        return view && view->alive();
    });
}

std::vector<std::string> running_stacks_of_others() {
    return counters_files_with([](const std::string& path) {
        const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (descriptor < 0) return false;
        TelemetryHeader header;
        const bool whole = ::pread(descriptor, &header, sizeof header, 0) == sizeof header;
        const bool other =
            header.version != kTelemetryVersion || header.layout != telemetry_layout();
        const bool counts =
            whole && header.magic == kTelemetryMagic && other && is_held(descriptor);
        ::close(descriptor);
        return counts;
    });
}

}  // namespace mtcp
