// Remembers the newest start of every journal identity, so that an older process, or a second one on a copied journal,
// is refused. Private to bus/. Value; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "schemas/ids.hpp"

namespace ddb::bus {

class BootTable {
  public:
    enum class Answer : std::uint8_t { accepted, older, other_nonce };

    [[nodiscard]] Answer check(const Voter& voter, BootNumber boot, std::uint64_t nonce) {
        const auto now = Clock::now();
        auto found = boots_.find(voter);
        if (found == boots_.end()) {
            // Only holders of the cluster's secret get here; the limit guards against a node that is rebuilt endlessly.
            if (boots_.size() >= voters_max) boots_.erase(boots_.begin());
            boots_.emplace(voter, Boot{boot, nonce, now});
            return Answer::accepted;
        }
        Boot& newest = found->second;
        if (boot < newest.number) return Answer::older;
        // Of two processes on copies of one journal the first heard is believed, and the other once that one is gone:
        // else a copy that ran for a moment would shut out the real node for good.
        if (boot == newest.number && nonce != newest.nonce && now - newest.heard < silence) return Answer::other_nonce;
        newest = Boot{boot, nonce, now};
        return Answer::accepted;
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t voters_max = 1024;
    static constexpr std::chrono::seconds silence{10};
    struct Boot {
        BootNumber number;
        std::uint64_t nonce = 0;
        Clock::time_point heard;
    };
    std::map<Voter, Boot> boots_;
};

}  // namespace ddb::bus
