#include "schemas/ids.hpp"

#include <charconv>
#include <string_view>

#include "schemas/result.hpp"

namespace ddb {

namespace {

template <std::size_t N>
[[nodiscard]] std::string hex(const std::array<std::uint8_t, N>& bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(2 * N);
    for (const std::uint8_t byte : bytes) {
        out += digits[byte >> 4U];
        out += digits[byte & 0x0FU];
    }
    return out;
}

// Digits only, to the end of `text`: no sign, no space, no leading plus.
[[nodiscard]] bool parse_number(std::string_view text, int base, std::uint64_t& out) {
    if (text.empty()) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string to_string(NodeId id) {
    return std::to_string(id.value);
}
std::string to_string(Epoch epoch) {
    return std::to_string(epoch.value);
}
std::string to_string(LogIndex index) {
    return std::to_string(index.value);
}
std::string to_string(const TxnId& txn) {
    return "TXN-" + std::to_string(txn.epoch.value) + "-" + std::to_string(txn.counter);
}
std::string to_string(const SessionId& session) {
    return hex(session.bytes);
}
std::string to_string(const ClusterUuid& uuid) {
    return hex(uuid.bytes);
}
std::string to_hex(const Digest& digest) {
    return hex(digest.bytes);
}

bool parse_txn_id(const std::string& text, TxnId& out) {
    const std::string_view view = text;
    if (!view.starts_with("TXN-")) return false;
    const std::size_t dash = view.find('-', 4);
    if (dash == std::string_view::npos) return false;
    std::uint64_t epoch = 0;
    std::uint64_t counter = 0;
    if (!parse_number(view.substr(4, dash - 4), 10, epoch) || !parse_number(view.substr(dash + 1), 10, counter)) {
        return false;
    }
    out = TxnId{Epoch{epoch}, counter};
    return true;
}

std::string request_name(const SessionId& session, RequestNumber request) {
    return "REQ-" + to_string(session) + "-" + std::to_string(request.value);
}

bool parse_request_name(const std::string& text, SessionId& session, RequestNumber& request) {
    const std::string_view view = text;
    constexpr std::size_t digits_at = 4;
    constexpr std::size_t dash_at = digits_at + 32;
    if (!view.starts_with("REQ-") || view.size() <= dash_at || view[dash_at] != '-') return false;
    SessionId parsed;
    for (std::size_t i = 0; i < parsed.bytes.size(); ++i) {
        std::uint64_t byte = 0;
        if (!parse_number(view.substr(digits_at + 2 * i, 2), 16, byte)) return false;
        parsed.bytes[i] = static_cast<std::uint8_t>(byte);
    }
    std::uint64_t number = 0;
    if (!parse_number(view.substr(dash_at + 1), 10, number)) return false;
    session = parsed;
    request = RequestNumber{number};
    return true;
}

const char* to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument:
            return "invalid argument";
        case ErrorCode::sql:
            return "SQL error";
        case ErrorCode::not_found:
            return "not found";
        case ErrorCode::corrupt:
            return "corrupt";
        case ErrorCode::io:
            return "input/output error";
        case ErrorCode::timeout:
            return "timed out";
        case ErrorCode::no_quorum:
            return "no quorum";
        case ErrorCode::overloaded:
            return "overloaded";
        case ErrorCode::refused:
            return "refused";
        case ErrorCode::unknown_outcome:
            return "outcome unknown";
        case ErrorCode::not_coordinator:
            return "not the coordinator";
        case ErrorCode::too_old:
            return "too old to know";
        case ErrorCode::shutting_down:
            return "shutting down";
        case ErrorCode::internal:
            return "internal error";
    }
    return "unknown error";
}

}  // namespace ddb
