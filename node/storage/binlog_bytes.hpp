// A cursor over bytes of the binary log, or of a server's answer, that never runs past their end. Internal to the
// parsers.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ddb::storage {

class ByteCursor {
  public:
    explicit ByteCursor(std::string_view bytes) : rest_(bytes) {}

    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t size() const { return rest_.size(); }
    [[nodiscard]] std::string_view rest() const { return rest_; }

    std::string_view take(std::size_t bytes) {
        if (bytes > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const std::string_view out = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return out;
    }
    // Little-endian unsigned of 1 to 8 bytes.
    std::uint64_t number(std::size_t bytes) {
        const std::string_view in = take(bytes);
        std::uint64_t out = 0;
        for (std::size_t i = in.size(); i-- > 0;) out = out << 8 | static_cast<std::uint8_t>(in[i]);
        return out;
    }
    std::uint64_t packed() {
        const std::uint64_t first = number(1);
        if (first < 251) return first;
        if (first == 252) return number(2);
        if (first == 253) return number(3);
        if (first == 254) return number(8);
        failed_ = true;
        return 0;
    }
    std::string_view counted_string() { return take(static_cast<std::size_t>(number(1))); }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace ddb::storage
