// SPDX-License-Identifier: Apache-2.0
// The files below one directory: found by the path of a request, never outside the directory, small
// ones kept in memory within a bound. One store per core; nothing is shared.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace web {

struct File {
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File();

    std::string content;  // of a small file
    int descriptor = -1;  // of a large one
    std::uint64_t size = 0;
    timespec modified{};
    ino_t inode = 0;
    std::string_view type;   // media type
    std::string entity_tag;  // quoted
    std::string last_modified;

    [[nodiscard]] bool in_memory() const { return descriptor < 0; }
};

class FileStore {
  public:
    enum class Outcome : std::uint8_t { found, missing, is_directory, overloaded };
    struct Answer {
        Outcome outcome;
        std::shared_ptr<const File> file;
    };

    // Throws std::system_error if the directory cannot be opened.
    // `descriptors_max`: of files too large to be kept in memory, which stay open.
    FileStore(const std::string& root, std::size_t cache_bytes, std::size_t cached_file_max,
              std::size_t descriptors_max = 1024);
    FileStore(const FileStore&) = delete;
    FileStore& operator=(const FileStore&) = delete;
    ~FileStore();

    // `path` is decoded and without its leading slash; "" and "a/" mean index.html there.
    Answer find(const std::string& path, std::chrono::steady_clock::time_point now);

  private:
    struct Entry {
        std::string path;
        std::shared_ptr<const File> file;
        std::chrono::steady_clock::time_point checked;
    };
    using Entries = std::list<Entry>;

    [[nodiscard]] int open_beneath(const char* path) const;
    Answer open_file(const std::string& path, const File* known) const;
    void keep(const std::string& path, std::shared_ptr<const File> file,
              std::chrono::steady_clock::time_point now);
    void forget(Entries::iterator entry);
    [[nodiscard]] std::size_t weight(const File& file) const;

    int root_;
    std::string root_path_;
    std::size_t cache_bytes_;
    std::size_t cached_file_max_;
    std::size_t descriptor_weight_;  // what an open file counts as, in bytes
    std::size_t used_bytes_ = 0;
    Entries entries_;  // most recently used first
    std::unordered_map<std::string, Entries::iterator> by_path_;
};

// %XX and the query of a request target; the path without its first slash. False: malformed, or a
// path that climbs above the root.
bool decode_target(std::string_view target, std::string& path);

std::string_view media_type(std::string_view path);

}  // namespace web
