// The file that `log.file` names. It is opened anew on request, so that another program may rename it first. Any
// thread.
#pragma once

#include <spdlog/details/file_helper.h>
#include <spdlog/sinks/base_sink.h>

#include <memory>
#include <mutex>
#include <string>

#include "schemas/result.hpp"

namespace ddb::node {

class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    explicit LogFile(const std::string& path) : path_(path), file_(open(path)) {}  // throws spdlog_ex

    // Error: the file cannot be opened; what is said goes on into the one that is open.
    [[nodiscard]] Status open_again();

  private:
    void sink_it_(const spdlog::details::log_msg& message) override;
    void flush_() override { file_->flush(); }
    [[nodiscard]] static std::unique_ptr<spdlog::details::file_helper> open(const std::string& path);

    const std::string path_;
    std::unique_ptr<spdlog::details::file_helper> file_;
};

}  // namespace ddb::node
