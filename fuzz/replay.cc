// SPDX-License-Identifier: Apache-2.0
// In place of libFuzzer: gives every file named, or lying in a folder named, to the target once.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

int replayed = 0;

void replay(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    // Exactly as long as the bytes, so that a sanitizer sees every byte read beyond.
    std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
    static_cast<void>(LLVMFuzzerTestOneInput(exact.data(), exact.size()));
    ++replayed;
}

}  // namespace

int main(int count, char** arguments) {
    for (int i = 1; i < count; ++i) {
        const std::filesystem::path path = arguments[i];
        if (!std::filesystem::is_directory(path)) {
            replay(path);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            if (entry.is_regular_file()) replay(entry.path());
        }
    }
    std::printf("%d inputs replayed\n", replayed);
    return replayed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
