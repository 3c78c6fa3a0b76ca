#include "node/storage/commit_watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace ddb::storage {
namespace {

namespace fs = std::filesystem;

constexpr double late_after_s = 4;

bool waits_for_room(const Connection::Row& thread) {
    constexpr std::size_t state_column = 6;
    return thread.size() > state_column && thread[state_column].value_or("") == "Waiting for someone to free space";
}

bool is_late(const Connection::Row& thread) {
    constexpr std::size_t time_column = 5, info_column = 7;
    if (thread.size() <= info_column) return false;
    const std::string info = thread[info_column].value_or("");
    return (info.starts_with("XA PREPARE ") || info.starts_with("XA COMMIT ")) &&
           std::strtod(thread[time_column].value_or("0").c_str(), nullptr) >= late_after_s;
}

}  // namespace

bool CommitWatch::stalls(std::span<const Connection::Row> threads) {
    const bool late = std::any_of(threads.begin(), threads.end(), is_late);
    const std::uint64_t bytes = late ? binlog_bytes() : 0;
    const bool grows = std::exchange(bytes_, bytes) != bytes;
    return std::any_of(threads.begin(), threads.end(), waits_for_room) || (late && !grows);
}

std::uint64_t CommitWatch::binlog_bytes() const {
    std::uint64_t bytes = 0;
    std::error_code error;
    if (binlog_dir_.empty()) return bytes;
    for (fs::directory_iterator file(binlog_dir_, error), end; !error && file != end; file.increment(error)) {
        if (!file->path().filename().string().starts_with("binlog.")) continue;
        std::error_code gone;
        const auto size = file->file_size(gone);
        if (!gone) bytes += size;
    }
    return bytes;
}

}  // namespace ddb::storage
