#include "node/log_file.hpp"

#include <spdlog/common.h>

namespace ddb::node {

Status LogFile::open_again() {
    std::lock_guard lock(mutex_);
    try {
        file_ = open(path_);
    } catch (const spdlog::spdlog_ex& error) {
        return fail(ErrorCode::io, std::string("log.file: ") + error.what());
    }
    return ok();
}

std::unique_ptr<spdlog::details::file_helper> LogFile::open(const std::string& path) {
    auto file = std::make_unique<spdlog::details::file_helper>();
    file->open(path);
    return file;
}

void LogFile::sink_it_(const spdlog::details::log_msg& message) {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    file_->write(text);
}

}  // namespace ddb::node
