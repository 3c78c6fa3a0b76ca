#include "node/transfer_pace.hpp"

#include <algorithm>
#include <fstream>
#include <string>

namespace ddb::node {

std::uint64_t TransferPace::next(std::optional<double> idle, double work_per_s) {
    constexpr double working_per_s = 20;  // less is heartbeats and monitoring
    constexpr double full_below = 0.10;
    if (work_per_s < working_per_s) {
        rate_ = unlimited;
    } else if (idle && *idle < full_below) {
        rate_ = std::max(slowest_bytes_per_s, (rate_ == unlimited ? fastest_bytes_per_s : rate_) / 2);
    } else if (rate_ != unlimited) {
        rate_ += rate_ / 4;
        if (rate_ > fastest_bytes_per_s) rate_ = unlimited;
    }
    return rate_;
}

std::optional<double> IdleMeter::read() {
    std::ifstream file("/proc/stat");
    std::string name;
    std::uint64_t user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0;
    if (!(file >> name >> user >> nice >> system >> idle >> wait >> irq >> softirq >> steal)) return std::nullopt;
    const std::uint64_t idle_before = idle_ticks_, all_before = all_ticks_;
    idle_ticks_ = idle + wait;
    all_ticks_ = user + nice + system + idle + wait + irq + softirq + steal;
    if (all_before == 0 || all_ticks_ <= all_before || idle_ticks_ < idle_before) return std::nullopt;
    return static_cast<double>(idle_ticks_ - idle_before) / static_cast<double>(all_ticks_ - all_before);
}

}  // namespace ddb::node
