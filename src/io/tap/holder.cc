// SPDX-License-Identifier: Apache-2.0
// Looking through /proc for the holder of an interface.
#include "io/tap/holder.h"

#include <dirent.h>

#include <cctype>
#include <fstream>
#include <memory>

namespace mtcp::io {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// /proc/PID/fdinfo of a tun descriptor has the line "iff:<tab>NAME".
bool holds(const std::string& pid, const std::string& line_wanted) {
    const std::string folder = "/proc/" + pid + "/fdinfo";
    const Directory descriptors(::opendir(folder.c_str()));
    if (descriptors == nullptr) return false;
    while (const dirent* entry = ::readdir(descriptors.get())) {
        std::ifstream info(folder + "/" + entry->d_name);
        for (std::string line; std::getline(info, line);) {
            if (line == line_wanted) return true;
        }
    }
    return false;
}

}  // namespace

std::string find_tap_holder(const std::string& interface_name) {
    const Directory processes(::opendir("/proc"));
    if (processes == nullptr) return "";
    while (const dirent* entry = ::readdir(processes.get())) {
        const std::string pid = entry->d_name;
        if (std::isdigit(static_cast<unsigned char>(pid[0])) == 0) continue;
        if (!holds(pid, "iff:\t" + interface_name)) continue;
        std::ifstream comm("/proc/" + pid + "/comm");
        std::string command;
        static_cast<void>(std::getline(comm, command));
        return "pid " + pid + " (" + command + ")";
    }
    return "";
}

}  // namespace mtcp::io
