// Says each reason for each source once a minute, so that a flood of refused messages cannot flood the log. Private to
// bus/. Owner: one thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace ddb::bus {

class Complaints {
  public:
    explicit Complaints(std::function<void(const std::string&)> say) : say_(std::move(say)) {}

    // `reason` is a fixed word; `source` an address or a node.
    void complain(const char* reason, const std::string& source, const std::string& text) {
        const auto now = Clock::now();
        if (said_.size() >= sources_max)
            std::erase_if(said_, [&](const auto& item) { return now - item.second >= interval; });
        if (said_.size() >= sources_max) return;  // the log already holds enough of them
        auto [it, fresh] = said_.try_emplace({reason, source}, now);
        if (!fresh && now - it->second < interval) return;
        it->second = now;
        if (say_) say_(text);
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t sources_max = 256;
    static constexpr std::chrono::seconds interval{60};

    std::function<void(const std::string&)> say_;
    std::map<std::pair<std::string, std::string>, Clock::time_point> said_;
};

}  // namespace ddb::bus
