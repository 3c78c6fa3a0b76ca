#include "schemas/wire_format.hpp"

namespace ddb::wire {

namespace {

// First bytes of msgpack values (https://github.com/msgpack/msgpack/blob/master/spec.md).
enum Tag : unsigned char {
    nil = 0xC0,
    never_used = 0xC1,
    bool_false = 0xC2,
    bool_true = 0xC3,
    bin8 = 0xC4,
    bin32 = 0xC6,
    ext8 = 0xC7,
    ext32 = 0xC9,
    float32 = 0xCA,
    float64 = 0xCB,
    uint8 = 0xCC,
    uint64 = 0xCF,
    int8 = 0xD0,
    int64 = 0xD3,
    fixext1 = 0xD4,
    fixext16 = 0xD8,
    str8 = 0xD9,
    str32 = 0xDB,
    array16 = 0xDC,
    array32 = 0xDD,
    map16 = 0xDE,
    map32 = 0xDF,
};

}  // namespace

bool Reader::read_big_endian(std::size_t bytes, std::uint64_t& value) {
    if (remaining() < bytes) return fail_with("ends too early");
    value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = (value << 8U) | static_cast<unsigned char>(at_[i]);
    at_ += bytes;
    return true;
}

bool Reader::read_uint(std::uint64_t& value) {
    if (at_ == end_) return fail_with("ends too early");
    const auto first = static_cast<unsigned char>(*at_);
    if (first < 0x80U) {
        ++at_;
        value = first;
        return true;
    }
    if (first < Tag::uint8 || first > Tag::uint64) return fail_with("is not a number");
    ++at_;
    return read_big_endian(std::size_t{1} << (first - Tag::uint8), value);
}

bool Reader::read_bool(bool& value) {
    if (at_ == end_) return fail_with("ends too early");
    const auto first = static_cast<unsigned char>(*at_);
    if (first != Tag::bool_false && first != Tag::bool_true) return fail_with("is not true or false");
    ++at_;
    value = first == Tag::bool_true;
    return true;
}

bool Reader::read_array(std::uint32_t& count) {
    if (at_ == end_) return fail_with("ends too early");
    const auto first = static_cast<unsigned char>(*at_);
    std::uint64_t number = 0;
    if ((first & 0xF0U) == 0x90U) {
        ++at_;
        number = first & 0x0FU;
    } else if (first == Tag::array16 || first == Tag::array32) {
        ++at_;
        if (!read_big_endian(first == Tag::array16 ? 2 : 4, number)) return false;
    } else {
        return fail_with("is not a list");
    }
    if (number > remaining()) return fail_with("ends too early");  // every item takes a byte at least
    count = static_cast<std::uint32_t>(number);
    return true;
}

bool Reader::read_view(std::string_view& out, std::size_t limit) {
    if (at_ == end_) return fail_with("ends too early");
    const auto first = static_cast<unsigned char>(*at_);
    std::uint64_t size = 0;
    if ((first & 0xE0U) == 0xA0U) {
        ++at_;
        size = first & 0x1FU;
    } else if ((first >= Tag::bin8 && first <= Tag::bin32) || (first >= Tag::str8 && first <= Tag::str32)) {
        ++at_;
        const unsigned base = first <= Tag::bin32 ? Tag::bin8 : Tag::str8;
        if (!read_big_endian(std::size_t{1} << (first - base), size)) return false;
    } else {
        return fail_with("is not a string");
    }
    if (size > limit) return fail_with("is too long");
    if (size > remaining()) return fail_with("ends too early");
    out = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
}

bool Reader::read_shape(Shape& shape) {
    if (at_ == end_) return fail_with("ends too early");
    const auto first = static_cast<unsigned char>(*at_++);
    if (first < 0x80U || first >= 0xE0U || (first >= Tag::nil && first <= Tag::bool_true)) {
        return first == Tag::never_used ? fail_with("is not msgpack") : true;
    }
    if ((first & 0xE0U) == 0xA0U) {
        shape.body_bytes = first & 0x1FU;
    } else if ((first & 0xF0U) == 0x90U) {
        shape.items = first & 0x0FU;
    } else if ((first & 0xF0U) == 0x80U) {
        shape.items = 2U * (first & 0x0FU);
    } else if (first >= Tag::bin8 && first <= Tag::bin32) {
        return read_big_endian(std::size_t{1} << (first - Tag::bin8), shape.body_bytes);
    } else if (first >= Tag::ext8 && first <= Tag::ext32) {
        if (!read_big_endian(std::size_t{1} << (first - Tag::ext8), shape.body_bytes)) return false;
        ++shape.body_bytes;  // the extension's type
    } else if (first == Tag::float32 || first == Tag::float64) {
        shape.body_bytes = first == Tag::float32 ? 4 : 8;
    } else if (first >= Tag::uint8 && first <= Tag::uint64) {
        shape.body_bytes = std::uint64_t{1} << (first - Tag::uint8);
    } else if (first >= Tag::int8 && first <= Tag::int64) {
        shape.body_bytes = std::uint64_t{1} << (first - Tag::int8);
    } else if (first >= Tag::fixext1 && first <= Tag::fixext16) {
        shape.body_bytes = 1 + (std::uint64_t{1} << (first - Tag::fixext1));
    } else if (first >= Tag::str8 && first <= Tag::str32) {
        return read_big_endian(std::size_t{1} << (first - Tag::str8), shape.body_bytes);
    } else if (first == Tag::array16 || first == Tag::array32) {
        return read_big_endian(first == Tag::array16 ? 2 : 4, shape.items);
    } else {
        if (!read_big_endian(first == Tag::map16 ? 2 : 4, shape.items)) return false;
        shape.items *= 2;
    }
    return true;
}

// Counts what is still to come instead of recursing, so that deep nesting costs no stack.
bool Reader::skip() {
    std::uint64_t pending = 1;
    while (pending > 0) {
        Shape shape;
        if (!read_shape(shape)) return false;
        if (shape.body_bytes > remaining()) return fail_with("ends too early");
        at_ += shape.body_bytes;
        pending += shape.items - 1;
        if (pending > remaining()) return fail_with("ends too early");
    }
    return true;
}

Error Reader::error() const {
    return fail(ErrorCode::corrupt, blamed_ + " " + (fault_ != nullptr ? fault_ : "is damaged"));
}

}  // namespace ddb::wire
