// SPDX-License-Identifier: Apache-2.0
// openat2(RESOLVE_BENEATH) keeps every lookup, symbolic links included, below the directory.
#include "web_server/file_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <http_parser.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <iterator>
#include <system_error>

#include "web_server/http_date.h"

namespace web {
namespace {

constexpr auto kRecheckAfter = std::chrono::seconds{1};
constexpr std::size_t kEntriesMax = 4096;

int hex_digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const char lower = static_cast<char>(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool percent_decode(std::string_view text, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        char character = text[i];
        if (character == '%') {
            if (text.size() - i < 3) {
                return false;
            }
            const int high = hex_digit(text[i + 1]);
            const int low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            character = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (character == '\0') {
            return false;
        }
        out.push_back(character);
    }
    return true;
}

// Whether ".." never leaves the root on the way.
bool stays_inside(std::string_view path) {
    int depth = 0;
    while (!path.empty()) {
        const std::size_t end = path.find('/');
        const std::string_view part = path.substr(0, end);
        if (part == "..") {
            if (--depth < 0) {
                return false;
            }
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
        path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
    }
    return true;
}

bool same_file(const File& file, const struct stat& facts) {
    return file.inode == facts.st_ino && file.size == static_cast<std::uint64_t>(facts.st_size) &&
           file.modified.tv_sec == facts.st_mtim.tv_sec &&
           file.modified.tv_nsec == facts.st_mtim.tv_nsec;
}

bool read_all(int descriptor, std::size_t size, std::string& out) {
    out.resize(size);
    std::size_t have = 0;
    while (have < size) {
        const ssize_t got =
            ::pread(descriptor, out.data() + have, size - have, static_cast<off_t>(have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        if (got == 0) {
            break;  // it was cut while we read: what is there counts
        }
        have += static_cast<std::size_t>(got);
    }
    out.resize(have);
    return true;
}

}  // namespace

File::~File() {
    if (descriptor >= 0) {
        ::close(descriptor);
    }
}

bool decode_target(std::string_view target, std::string& path) {
    http_parser_url parts;
    http_parser_url_init(&parts);
    const bool is_path = !target.empty() && target.front() == '/';
    if (!is_path) {  // the absolute form of RFC 9112 §3.2.2
        if (http_parser_parse_url(target.data(), target.size(), 0, &parts) != 0 ||
            (parts.field_set & (1U << UF_HOST)) == 0) {
            return false;
        }
        if ((parts.field_set & (1U << UF_PATH)) == 0) {
            path.clear();
            return true;
        }
        target = target.substr(parts.field_data[UF_PATH].off, parts.field_data[UF_PATH].len);
    }
    target = target.substr(0, target.find_first_of("?#"));
    if (!percent_decode(target, path)) {
        return false;
    }
    path.erase(0, path.find_first_not_of('/'));  // npos erases all: "/" alone is ""
    return stays_inside(path);
}

std::string_view media_type(std::string_view path) {
    struct Row {
        std::string_view ending;
        std::string_view type;
    };
    static constexpr std::array kRows{
        Row{".html", "text/html; charset=utf-8"},
        Row{".htm", "text/html; charset=utf-8"},
        Row{".css", "text/css; charset=utf-8"},
        Row{".js", "text/javascript; charset=utf-8"},
        Row{".json", "application/json"},
        Row{".txt", "text/plain; charset=utf-8"},
        Row{".md", "text/markdown; charset=utf-8"},
        Row{".xml", "application/xml"},
        Row{".svg", "image/svg+xml"},
        Row{".png", "image/png"},
        Row{".jpg", "image/jpeg"},
        Row{".jpeg", "image/jpeg"},
        Row{".gif", "image/gif"},
        Row{".webp", "image/webp"},
        Row{".ico", "image/x-icon"},
        Row{".pdf", "application/pdf"},
        Row{".wasm", "application/wasm"},
        Row{".woff2", "font/woff2"},
        Row{".mp4", "video/mp4"},
        Row{".gz", "application/gzip"},
    };
    for (const Row& row : kRows) {
        if (path.ends_with(row.ending)) {
            return row.type;
        }
    }
    return "application/octet-stream";
}

FileStore::FileStore(const std::string& root, std::size_t cache_bytes, std::size_t cached_file_max,
                     std::size_t descriptors_max)
    : root_(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
      root_path_(root),
      cache_bytes_(cache_bytes),
      cached_file_max_(cached_file_max),
      descriptor_weight_(cache_bytes / std::max<std::size_t>(descriptors_max, 1)) {
    if (root_ < 0) {
        throw std::system_error(errno, std::generic_category(), root);
    }
    if (char* resolved = ::realpath(root.c_str(), nullptr); resolved != nullptr) {
        root_path_ = resolved;
        std::free(resolved);
    }
}

FileStore::~FileStore() { ::close(root_); }

int FileStore::open_beneath(const char* path) const {
    open_how how{};
    // O_NONBLOCK: a FIFO in the directory must not stop the server.
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const long opened = ::syscall(SYS_openat2, root_, path, &how, sizeof how);
    if (opened >= 0 || errno != ENOSYS) {
        return static_cast<int>(opened);
    }
    // A kernel before 5.6: resolve first, and look whether we are still inside.
    char resolved[PATH_MAX];
    const std::string full = root_path_ + "/" + path;
    if (::realpath(full.c_str(), resolved) == nullptr) {
        return -1;
    }
    const std::string prefix = root_path_ == "/" ? "/" : root_path_ + "/";
    if (root_path_ != resolved && !std::string_view{resolved}.starts_with(prefix)) {
        errno = EXDEV;
        return -1;
    }
    return ::open(resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

FileStore::Answer FileStore::open_file(const std::string& path, const File* known) const {
    const int descriptor = open_beneath(path.empty() ? "." : path.c_str());
    if (descriptor < 0) {
        const bool overloaded = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        return {overloaded ? Outcome::overloaded : Outcome::missing, nullptr};
    }
    auto file = std::make_shared<File>();
    file->descriptor = descriptor;
    struct stat facts {};
    if (::fstat(descriptor, &facts) != 0) {
        return {Outcome::missing, nullptr};
    }
    if (S_ISDIR(facts.st_mode)) {
        return {Outcome::is_directory, nullptr};
    }
    if (!S_ISREG(facts.st_mode)) {
        return {Outcome::missing, nullptr};
    }
    if (known != nullptr && same_file(*known, facts)) {
        return {Outcome::found, nullptr};
    }
    file->size = static_cast<std::uint64_t>(facts.st_size);
    file->modified = facts.st_mtim;
    file->inode = facts.st_ino;
    file->type = media_type(path);
    file->last_modified = http_date(facts.st_mtim.tv_sec);
    file->entity_tag = fmt::format("\"{:x}-{:x}-{:x}\"", facts.st_ino, facts.st_size,
                                   facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec);
    if (file->size <= cached_file_max_) {
        if (!read_all(descriptor, file->size, file->content)) {
            return {Outcome::missing, nullptr};
        }
        file->size = file->content.size();
        ::close(file->descriptor);
        file->descriptor = -1;
    }
    return {Outcome::found, std::move(file)};
}

FileStore::Answer FileStore::find(const std::string& path,
                                  std::chrono::steady_clock::time_point now) {
    if (path.empty() || path.back() == '/') {
        return find(path + "index.html", now);
    }
    const auto found = by_path_.find(path);
    const bool known = found != by_path_.end();
    if (known) {
        entries_.splice(entries_.begin(), entries_, found->second);
        Entry& entry = *found->second;
        if (now - entry.checked < kRecheckAfter) {
            return {Outcome::found, entry.file};
        }
    }
    Answer answer = open_file(path, known ? found->second->file.get() : nullptr);
    if (known && answer.outcome == Outcome::found && answer.file == nullptr) {
        found->second->checked = now;
        return {Outcome::found, found->second->file};
    }
    if (known && answer.outcome == Outcome::overloaded) {
        return {Outcome::found, found->second->file};  // as it was a second ago
    }
    if (known) {
        forget(found->second);
    }
    if (answer.outcome == Outcome::found) {
        keep(path, answer.file, now);
    }
    return answer;
}

std::size_t FileStore::weight(const File& file) const {
    return file.in_memory() ? file.content.size() + 512 : descriptor_weight_;
}

void FileStore::keep(const std::string& path, std::shared_ptr<const File> file,
                     std::chrono::steady_clock::time_point now) {
    used_bytes_ += weight(*file);
    entries_.push_front(Entry{path, std::move(file), now});
    by_path_[path] = entries_.begin();
    while (!entries_.empty() && (used_bytes_ > cache_bytes_ || entries_.size() > kEntriesMax)) {
        forget(std::prev(entries_.end()));
    }
}

void FileStore::forget(Entries::iterator entry) {
    used_bytes_ -= weight(*entry->file);
    by_path_.erase(entry->path);
    entries_.erase(entry);
}

}  // namespace web
