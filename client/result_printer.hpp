// Prints what a session returns: rows through a formatter to a sink, words for people to standard error. One per input;
// used by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/formats.hpp"
#include "client/session_client.hpp"

namespace ddb::client {

class ResultPrinter : public ResultListener {
  public:
    ResultPrinter(const FormatSettings& settings, Sink& sink, std::function<void(const std::string&)> tell);

    // Before each statement; \G asks for the vertical form of results that are shown to people.
    void begin(bool vertical);

    void on_header(const std::vector<Column>& columns) override;
    Status on_rows(const ResultRows& rows) override;
    void on_end(const ResultEnd& end) override;

  private:
    FormatSettings settings_;
    Sink& sink_;
    std::function<void(const std::string&)> tell_;
    std::unique_ptr<Formatter> usual_;
    std::unique_ptr<Formatter> vertical_;
    Formatter* formatter_;
    std::size_t columns_ = 0;
    Row row_;
    std::chrono::steady_clock::time_point started_;
    NodeId redirected_to_;  // told already
};

}  // namespace ddb::client
