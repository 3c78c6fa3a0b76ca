// Sessions that wait for a lock of the node's own, in the order in which they came. Loop thread only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace ddb::session {

class WaitingLine {
  public:
    // Returns `wait`. Who asks again keeps the place it has.
    bool stand(std::uint64_t serial, bool wait) {
        const auto place = std::find(line_.begin(), line_.end(), serial);
        if (wait && place == line_.end()) line_.push_back(serial);
        if (!wait && place != line_.end()) line_.erase(place);
        return wait;
    }
    void leave(std::uint64_t serial) { std::erase(line_, serial); }
    // `wake` must not let anybody ask before it returns.
    void wake_all(const std::function<void(std::uint64_t)>& wake) const {
        for (const std::uint64_t serial : line_) wake(serial);
    }

  private:
    std::vector<std::uint64_t> line_;
};

}  // namespace ddb::session
