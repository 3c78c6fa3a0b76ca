// The client's file of a LOAD … LOCAL on its way to the server: whole, or in pieces of which no more than two are here.
// The executor that runs the statement reads, the loop gives.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "node/storage/connection.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

// A client that sends no more of its file for this long is taken for dead.
inline constexpr std::uint32_t slow_file_ms_max = 60'000;

class FileSource final : public storage::FileForServer {
  public:
    using Ask = std::function<void(std::uint64_t offset)>;  // on the executor; again when nothing comes
    FileSource(std::string first, bool more, Ask ask) : ask_(std::move(ask)), piece_(std::move(first)), more_(more) {
        end_ = piece_.size();
    }

    [[nodiscard]] bool begin() override;
    [[nodiscard]] std::size_t read(std::span<char> out) override;
    [[nodiscard]] std::optional<Error> failure() const override;

    void give(FileContent piece);  // another one than is waited for is dropped
    void cancel();                 // the reading ends, and has failed

  private:
    // False: nothing more will come.
    [[nodiscard]] bool next_piece(std::unique_lock<std::mutex>& lock);
    void ask(std::unique_lock<std::mutex>& lock);

    const Ask ask_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::string piece_;
    std::size_t at_ = 0;
    bool first_ = true;  // is that piece
    std::optional<std::string> next_;
    std::uint64_t end_ = 0;  // of what has come
    bool more_;              // comes behind that
    bool asked_ = false;     // for it
    std::optional<Error> failure_;
};

}  // namespace ddb::session
