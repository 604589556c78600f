// SPDX-License-Identifier: Apache-2.0
// The kernel names the attached program, not its owner. Its owner has a descriptor of the BPF link,
// and /proc/PID/fdinfo tells the link's program; program ids are unique in the machine, unlike
// interface indices, which repeat in every network namespace.
#include "io/af_xdp/program_holder.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/if_link.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace mtcp::io {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { static_cast<void>(::closedir(directory)); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

struct CloseFile {
    void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::uint32_t attached_program(int interface_index) {
    bpf_xdp_query_opts options{};
    options.sz = sizeof options;
    if (::bpf_xdp_query(interface_index, 0, &options) != 0) return 0;
    for (const std::uint32_t id :
         {options.prog_id, options.drv_prog_id, options.skb_prog_id, options.hw_prog_id}) {
        if (id != 0) return id;
    }
    return 0;
}

// Whether the fdinfo file is of an XDP link that holds `program`.
bool is_link_of(const std::string& path, std::uint32_t program) {
    const File file(std::fopen(path.c_str(), "re"));
    if (file == nullptr) return false;
    bool is_xdp = false;
    bool is_program = false;
    char line[256];
    while (std::fgets(static_cast<char*>(line), sizeof line, file.get()) != nullptr) {
        unsigned id = 0;
        if (std::strncmp(line, "link_type:\txdp", 14) == 0) is_xdp = true;
        if (std::sscanf(line, "prog_id: %u", &id) == 1) is_program = id == program;
    }
    return is_xdp && is_program;
}

bool holds_program(const std::string& process, std::uint32_t program) {
    const Directory descriptors(::opendir((process + "/fd").c_str()));
    if (descriptors == nullptr) return false;
    while (const dirent* entry = ::readdir(descriptors.get())) {
        const auto* name = static_cast<const char*>(entry->d_name);
        char target[64] = {};
        const ssize_t length = ::readlinkat(::dirfd(descriptors.get()), name,
                                            static_cast<char*>(target), sizeof target - 1);
        if (length < 0 || std::strstr(target, "bpf") == nullptr) continue;
        if (is_link_of(std::string(process).append("/fdinfo/").append(name), program)) return true;
    }
    return false;
}

std::string command_of(const std::string& process) {
    const File file(std::fopen((process + "/comm").c_str(), "re"));
    char line[64] = {};
    if (file == nullptr) return {};
    if (std::fgets(static_cast<char*>(line), sizeof line, file.get()) == nullptr) return {};
    return {static_cast<const char*>(line), std::strcspn(line, "\n")};
}

}  // namespace

ProgramHolder find_program_holder(int interface_index) {
    ProgramHolder holder;
    holder.program = attached_program(interface_index);
    if (holder.program == 0) return holder;
    const Directory processes(::opendir("/proc"));
    if (processes == nullptr) return holder;
    while (const dirent* entry = ::readdir(processes.get())) {
        const int pid = std::atoi(static_cast<const char*>(entry->d_name));
        if (pid <= 0) continue;
        const std::string process = "/proc/" + std::to_string(pid);
        if (!holds_program(process, holder.program)) continue;
        holder.pid = pid;
        holder.command = command_of(process);
        return holder;
    }
    return holder;
}

}  // namespace mtcp::io
