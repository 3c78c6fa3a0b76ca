// The driver's side of an ordered stop: whoever has the office hands it over first, so that nobody has to notice that
// it is gone.
#include <spdlog/spdlog.h>

#include "node/driver.hpp"

namespace ddb::node {
namespace {

// Longer than a forced hand-over takes (core/take_over.cpp), whose end is told anyway.
constexpr std::uint64_t stop_ms_max = 2000;
constexpr std::uint64_t stop_token = 1;  // those of verbs and audits are far above

}  // namespace

void Driver::begin_stop() {
    if (stop_until_ms_) return stop_until_ms_.reset();
    if (status_.coordinator != config_.id) return;
    spdlog::info("hands its office over before it stops");
    stop_until_ms_ = now_ms_ + stop_ms_max;
    core_.step(core::StepDown{stop_token});
}

void Driver::on_command_answer(const core::CommandAnswer& answer) {
    status_ = core_.status();  // with the membership the answer speaks of
    if (answer.token != stop_token) return verbs_.on_command(answer);
    if (answer.status.ok()) return;
    spdlog::info("stops with its office: {}", answer.status.error().message);
    stop_until_ms_.reset();
}

bool Driver::may_stop() const {
    return !stop_until_ms_ || now_ms_ >= *stop_until_ms_ || status_.coordinator != config_.id;
}

}  // namespace ddb::node
