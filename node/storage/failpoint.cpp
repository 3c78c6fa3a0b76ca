#include "node/storage/failpoint.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <string_view>
#include <utility>

namespace ddb::storage {
namespace {

using Named = std::pair<std::string_view, Failpoint>;
constexpr std::array<Named, 14> names{{
    {"captured", Failpoint::captured},
    {"proposed", Failpoint::proposed},
    {"journaled", Failpoint::journaled},
    {"decided", Failpoint::decided},
    {"xa_committed", Failpoint::xa_committed},
    {"committed", Failpoint::committed},
    {"voting", Failpoint::voting},
    {"applying", Failpoint::applying},
    {"applied", Failpoint::applied},
    {"statement_applied", Failpoint::statement_applied},
    {"intent_recorded", Failpoint::intent_recorded},
    {"statement_ran", Failpoint::statement_ran},
    {"statement_captured", Failpoint::statement_captured},
    {"statement_decided", Failpoint::statement_decided},
}};

std::atomic<Failpoint> armed{Failpoint::none};
std::atomic<std::uint32_t> turns_left{0};

}  // namespace

Status arm_failpoint(const std::string& text) {
    if (text.empty()) return ok();
    const auto colon = text.find(':');
    const std::string_view name = std::string_view(text).substr(0, colon);
    std::uint32_t turns = 1;
    bool valid = true;
    if (colon != std::string::npos) {
        const char* const last = text.data() + text.size();
        const auto [end, error] = std::from_chars(text.data() + colon + 1, last, turns);
        valid = error == std::errc() && end == last && turns > 0;
    }
    std::string known;
    for (const auto& [known_name, point] : names) {
        if (valid && known_name == name) {
            turns_left = turns;
            armed = point;
            return ok();
        }
        known += (known.empty() ? "" : ", ") + std::string(known_name);
    }
    return fail(ErrorCode::invalid_argument,
                "debug.failpoint: found \"" + text + "\", expected NAME or NAME:COUNT with NAME one of " + known);
}

void pass(Failpoint point) {
    if (armed.load(std::memory_order_relaxed) != point || turns_left.fetch_sub(1) != 1) return;
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
}

}  // namespace ddb::storage
