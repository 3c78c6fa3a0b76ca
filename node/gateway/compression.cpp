#include "node/gateway/compression.hpp"

#include <zlib.h>

#include "node/gateway/packets.hpp"

namespace ddb::gateway {
namespace {

constexpr std::size_t header_bytes = 7;

[[nodiscard]] bool inflate_into(std::string& out, std::string_view bytes, std::size_t length) {
    const std::size_t before = out.size();
    out.resize(before + length);
    uLongf got = length;
    // zlib's types are those of C.
    auto* const to = reinterpret_cast<Bytef*>(out.data() + before);
    const auto* const from = reinterpret_cast<const Bytef*>(bytes.data());
    return ::uncompress(to, &got, from, bytes.size()) == Z_OK && got == length;
}

}  // namespace

Result<std::string> CompressedFrames::expand(std::string_view bytes) {
    buffer_ += bytes;
    std::string out;
    std::string_view rest = buffer_;
    for (;;) {
        FieldReader header(rest);
        const auto length = header.integer(3);
        const auto number = header.integer(1);
        const auto expanded = header.integer(3);
        if (!length || !number || !expanded) break;
        const auto content = header.bytes(*length);
        if (!content) break;
        if (*expanded == 0) {
            out += *content;
        } else if (!inflate_into(out, *content, *expanded)) {
            return Error{ErrorCode::invalid_argument, "Couldn't uncompress communication packet", 1157, "08S01"};
        }
        number_ = static_cast<std::uint8_t>(*number + 1);
        rest = header.rest();
    }
    buffer_.erase(0, buffer_.size() - rest.size());
    if (buffer_.empty()) std::string().swap(buffer_);
    return out;
}

std::string CompressedFrames::framed(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() + (bytes.size() / packet_bytes_max + 1) * header_bytes);
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, packet_bytes_max);
        put_int(out, part.size(), 3);
        put_int(out, number_++, 1);
        put_int(out, 0, 3);
        out += part;
        bytes.remove_prefix(part.size());
    }
    return out;
}

}  // namespace ddb::gateway
