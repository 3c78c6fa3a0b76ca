#include "node/gateway/packets.hpp"

#include <algorithm>

namespace ddb::gateway {
namespace {

constexpr std::size_t header_bytes = 4;
constexpr std::size_t kept_capacity_max = 256u << 10;

std::size_t little_endian(std::string_view bytes) {
    std::size_t n = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) n = n << 8 | static_cast<unsigned char>(bytes[i - 1]);
    return n;
}

}  // namespace

void PacketReader::feed(std::string_view bytes) {
    if (position_ > 0) {
        buffer_.erase(0, position_);
        position_ = 0;
    }
    // A long command must not keep its memory for as long as the client stays.
    if (buffer_.empty() && buffer_.capacity() > kept_capacity_max) std::string().swap(buffer_);
    buffer_ += bytes;
}

Result<std::optional<std::string>> PacketReader::next() {
    for (;;) {
        const std::string_view rest = std::string_view(buffer_).substr(position_);
        if (rest.size() < header_bytes) return std::optional<std::string>();
        const std::size_t length = little_endian(rest.substr(0, 3));
        if (payload_.size() + length > payload_bytes_max_) {
            return Error{ErrorCode::overloaded,
                         "Got a packet bigger than the limit of " + std::to_string(payload_bytes_max_) + " bytes", 1153,
                         "08S01"};
        }
        if (any_sequence_) sequence_ = static_cast<std::uint8_t>(rest[3]);
        if (static_cast<std::uint8_t>(rest[3]) != sequence_) {
            return Error{ErrorCode::invalid_argument, "Got packets out of order", 1156, "08S01"};
        }
        if (rest.size() < header_bytes + length) return std::optional<std::string>();
        ++sequence_;
        payload_ += rest.substr(header_bytes, length);
        position_ += header_bytes + length;
        if (length == packet_bytes_max) continue;
        std::string whole = std::move(payload_);
        payload_.clear();
        return std::optional<std::string>(std::move(whole));
    }
}

std::string PacketReader::take_unread() {
    std::string unread = buffer_.substr(position_);
    buffer_.clear();
    position_ = 0;
    return unread;
}

void PacketWriter::append(std::string& out, std::string_view payload) {
    std::size_t length = 0;
    do {
        length = std::min(payload.size(), packet_bytes_max);
        put_int(out, length, 3);
        out.push_back(static_cast<char>(sequence_++));
        out += payload.substr(0, length);
        payload.remove_prefix(length);
    } while (length == packet_bytes_max);
}

void put_int(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

void put_lenenc(std::string& out, std::uint64_t value) {
    if (value < 0xfb) {
        put_int(out, value, 1);
    } else if (value < 1u << 16) {
        out.push_back('\xfc');
        put_int(out, value, 2);
    } else if (value < 1u << 24) {
        out.push_back('\xfd');
        put_int(out, value, 3);
    } else {
        out.push_back('\xfe');
        put_int(out, value, 8);
    }
}

void put_lenenc_string(std::string& out, std::string_view text) {
    put_lenenc(out, text.size());
    out += text;
}

std::optional<std::uint64_t> FieldReader::integer(int bytes) {
    const auto taken = this->bytes(static_cast<std::size_t>(bytes));
    if (!taken) return std::nullopt;
    return little_endian(*taken);
}

std::optional<std::uint64_t> FieldReader::lenenc() {
    if (rest_.empty()) return std::nullopt;
    const auto first = static_cast<unsigned char>(rest_.front());
    if (first < 0xfb) {
        rest_.remove_prefix(1);
        return first;
    }
    const std::size_t size = first == 0xfc ? 2 : first == 0xfd ? 3 : first == 0xfe ? 8 : 0;
    if (size == 0 || rest_.size() < 1 + size) return std::nullopt;
    const std::uint64_t value = little_endian(rest_.substr(1, size));
    rest_.remove_prefix(1 + size);
    return value;
}

std::optional<std::string_view> FieldReader::lenenc_string() {
    const std::string_view before = rest_;
    const auto length = lenenc();
    if (!length || *length > rest_.size()) {
        rest_ = before;
        return std::nullopt;
    }
    return bytes(static_cast<std::size_t>(*length));
}

std::optional<std::string_view> FieldReader::zero_terminated() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
}

std::optional<std::string_view> FieldReader::bytes(std::size_t count) {
    if (rest_.size() < count) return std::nullopt;
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
}

}  // namespace ddb::gateway
