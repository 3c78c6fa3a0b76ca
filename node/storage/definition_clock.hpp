// How many definitions have begun and ended on this server that may make a routine or a view, or give one another name:
// for whoever keeps a list of these. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ddb::storage {

class DefinitionClock {
  public:
    // From before the server is told of it until it has answered.
    class Running {
      public:
        explicit Running(DefinitionClock* clock);  // null: it makes nothing of the kind
        ~Running();
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

      private:
        DefinitionClock* const clock_;
    };

    [[nodiscard]] std::uint64_t begun() const { return begun_; }
    // The same, when all of them have ended.
    [[nodiscard]] std::optional<std::uint64_t> quiet() const;

  private:
    std::atomic<std::uint64_t> begun_ = 0;
    std::atomic<std::uint64_t> ended_ = 0;
};

// By the words in a text, or in an event that has it: rather once too often.
[[nodiscard]] bool may_make_routine(std::string_view sql);

}  // namespace ddb::storage
