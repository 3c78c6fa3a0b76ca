// msgpack in both directions over one list of fields, so that encoder and decoder cannot disagree. Private to the
// codec files of this folder and to the envelope. Pure; any thread.
//
// A message type is described once:
//     template <class Archive> void fields(Archive& a, typename Archive::template Ref<Probe> m) {
//         a.record("probe", field("epoch", m.epoch), ...);
//     }
// Writer walks the list and packs; Reader walks the same list over foreign bytes. The reader is written by hand instead
// of using msgpack's object tree: the tree costs an allocation per value and lets a few bytes claim gigabytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <msgpack/pack.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::wire {

// Limits of what has none of its own beside its type; bytes unless the name says otherwise.
inline constexpr std::size_t name_bytes_max = 1024;  // column, table, database, user, address
inline constexpr std::size_t text_bytes_max = 4096;  // sentences for people: cut when longer, never refused
inline constexpr std::size_t password_bytes_max = 4096;
inline constexpr std::size_t host_bytes_max = 15;        // IPv4
inline constexpr std::size_t info_bytes_max = 1u << 20;  // part of the entry digest: never cut
inline constexpr std::size_t json_bytes_max = 32u << 20;
inline constexpr std::size_t members_max = 64;
inline constexpr std::size_t columns_max = 8192;
inline constexpr std::size_t arguments_max = 64;
inline constexpr std::size_t argument_bytes_max = 64u << 10;

template <class T>
struct Field {
    const char* name;
    T& value;
    std::size_t limit;  // bytes of strings, items of vectors
};
template <class T>
[[nodiscard]] Field<T> field(const char* name, T& value, std::size_t limit = name_bytes_max) {
    return {name, value, limit};
}

// A sentence for people: the writer cuts it to text_bytes_max rather than make a message the receiver must refuse.
template <class T>
struct Text {
    const char* name;
    T& value;
};
template <class T>
[[nodiscard]] Text<T> text(const char* name, T& value) {
    return {name, value};
}

// Largest value of each enumeration; all start at 0 or 1 and have no holes but `min`.
template <class E>
struct EnumRange;

template <class T>
struct IsTagged : std::false_type {};
template <class Tag, class Rep>
struct IsTagged<Tagged<Tag, Rep>> : std::true_type {};
template <class T>
struct IsByteArray : std::false_type {};
template <std::size_t N>
struct IsByteArray<std::array<std::uint8_t, N>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
concept HasBytes = std::same_as<T, SessionId> || std::same_as<T, ClusterUuid> || std::same_as<T, Digest>;

struct StringSink {
    std::string& out;
    void write(const char* data, std::size_t size) { out.append(data, size); }
};

class Writer {
  public:
    template <class T>
    using Ref = const T&;

    explicit Writer(std::string& out) : sink_{out}, packer_(sink_) {}

    template <class... F>
    void record([[maybe_unused]] const char* record_name, const F&... each) {
        packer_.pack_array(sizeof...(each));
        (write(record_name, each), ...);
    }
    // First field that is longer than any receiver accepts; empty when all is well.
    [[nodiscard]] const std::string& too_long() const { return too_long_; }

  private:
    template <class T>
    void write(const char* record_name, const Field<T>& f) {
        put(f.value, f.limit);
        if (exceeded_) {
            exceeded_ = false;
            if (too_long_.empty()) too_long_ = std::string(record_name) + "." + f.name;
        }
    }
    void write(const char*, const Text<const std::string>& t) {
        std::size_t size = std::min(t.value.size(), text_bytes_max);
        // not in the middle of a UTF-8 character
        while (size < t.value.size() && size > 0 && (static_cast<unsigned char>(t.value[size]) & 0xC0U) == 0x80U)
            --size;
        put_string(t.value.data(), size);
    }

    template <class T>
    void put(const T& value, std::size_t limit) {
        if constexpr (std::same_as<T, bool>) {
            value ? packer_.pack_true() : packer_.pack_false();
        } else if constexpr (std::unsigned_integral<T>) {
            packer_.pack_uint64(value);
        } else if constexpr (std::is_enum_v<T>) {
            packer_.pack_uint64(static_cast<std::uint64_t>(value));
        } else if constexpr (IsTagged<T>::value) {
            packer_.pack_uint64(value.value);
        } else if constexpr (HasBytes<T>) {
            put_bin(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
        } else if constexpr (std::same_as<T, std::string>) {
            exceeded_ = exceeded_ || value.size() > limit;
            put_string(value.data(), value.size());
        } else if constexpr (std::same_as<T, Payload>) {
            exceeded_ = exceeded_ || value.size() > limit;
            put_bin(value.view().data(), value.size());
        } else if constexpr (IsVector<T>::value) {
            exceeded_ = exceeded_ || value.size() > limit;
            packer_.pack_array(static_cast<std::uint32_t>(value.size()));
            for (const auto& item : value) put(item, argument_bytes_max);
        } else if constexpr (IsOptional<T>::value) {
            if (value) {
                put(*value, limit);
            } else {
                packer_.pack_nil();
            }
        } else {
            fields(*this, value);
        }
    }
    // Lengths above 4 GB cannot be written; such a value is far over its limit and too_long() already says so.
    void put_string(const char* data, std::size_t size) {
        const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(size, UINT32_MAX));
        packer_.pack_str(length);
        packer_.pack_str_body(data, length);
    }
    void put_bin(const char* data, std::size_t size) {
        const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(size, UINT32_MAX));
        packer_.pack_bin(length);
        packer_.pack_bin_body(data, length);
    }

    StringSink sink_;
    msgpack::packer<StringSink> packer_;
    bool exceeded_ = false;
    std::string too_long_;
};

// Reads foreign bytes. The first fault is kept and makes everything after it a no-op, so that field lists need no
// checks. Nothing is allocated that the input has not already paid for with bytes.
class Reader {
  public:
    template <class T>
    using Ref = T&;

    explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    template <class... F>
    void record([[maybe_unused]] const char* record_name, const F&... each) {
        constexpr std::size_t known = sizeof...(each);
        std::uint32_t count = 0;
        if (fault_ != nullptr) return;
        if (!read_array(count)) return blame(record_name, nullptr);
        if (count < known) return fail_with("has too few fields"), blame(record_name, nullptr);
        (read(record_name, each), ...);
        for (std::uint32_t i = static_cast<std::uint32_t>(known); i < count && fault_ == nullptr; ++i) {
            if (!skip()) blame(record_name, "newer field");
        }
    }

    [[nodiscard]] bool done() {
        if (fault_ == nullptr && at_ != end_) fail_with("is followed by stray bytes"), blame("message", nullptr);
        return fault_ == nullptr;
    }
    [[nodiscard]] Error error() const;

    // One value each, for the envelope: its payload is not copied, and its first fields are read before the rest is
    // trusted.
    [[nodiscard]] bool read_view(std::string_view& out, std::size_t limit);
    [[nodiscard]] bool read_array(std::uint32_t& count);
    [[nodiscard]] bool skip();
    template <class T>
    [[nodiscard]] bool read_number(T& value, std::uint64_t max) {
        std::uint64_t number = 0;
        if (!read_uint(number)) return false;
        if (number > max) return fail_with("is out of range");
        value = static_cast<T>(number);
        return true;
    }

  private:
    template <class T>
    void read(const char* record_name, const Field<T>& f) {
        if (fault_ == nullptr && !get(f.value, f.limit)) blame(record_name, f.name);
    }
    template <class T>
    void read(const char* record_name, const Text<T>& t) {
        if (fault_ == nullptr && !get(t.value, text_bytes_max)) blame(record_name, t.name);
    }

    template <class T>
    [[nodiscard]] bool get(T& value, std::size_t limit) {
        if constexpr (std::same_as<T, bool>) {
            return read_bool(value);
        } else if constexpr (std::unsigned_integral<T>) {
            return read_number(value, std::numeric_limits<T>::max());
        } else if constexpr (std::is_enum_v<T>) {
            std::uint64_t number = 0;
            if (!read_uint(number)) return false;
            if (number < EnumRange<T>::min || number > EnumRange<T>::max) return fail_with("has an unknown value");
            value = static_cast<T>(number);
            return true;
        } else if constexpr (std::same_as<T, NodeId>) {
            return read_number(value.value, 65535);
        } else if constexpr (IsTagged<T>::value) {
            return read_number(value.value, std::numeric_limits<typename T::rep>::max());
        } else if constexpr (HasBytes<T>) {
            std::string_view view;
            if (!read_view(view, value.bytes.size())) return false;
            if (view.size() != value.bytes.size()) return fail_with("has the wrong length");
            std::memcpy(value.bytes.data(), view.data(), view.size());
            return true;
        } else if constexpr (std::same_as<T, std::string>) {
            std::string_view view;
            if (!read_view(view, limit)) return false;
            value.assign(view);
            return true;
        } else if constexpr (std::same_as<T, Payload>) {
            std::string_view view;
            if (!read_view(view, limit)) return false;
            value = Payload(std::string(view));
            return true;
        } else if constexpr (IsVector<T>::value) {
            return get_items(value, limit);
        } else if constexpr (IsOptional<T>::value) {
            value.reset();
            if (at_ != end_ && static_cast<unsigned char>(*at_) == 0xC0U) {
                ++at_;
                return true;
            }
            return get(value.emplace(), limit);
        } else {
            fields(*this, value);
            return fault_ == nullptr;
        }
    }
    template <class T>
    [[nodiscard]] bool get_items(std::vector<T>& items, std::size_t limit) {
        std::uint32_t count = 0;
        if (!read_array(count)) return false;
        if (count > limit) return fail_with("has too many items");
        // A claimed count is not believed beyond the bytes that are there.
        items.clear();
        items.reserve(std::min<std::size_t>(count, remaining() / sizeof(T) + 1));
        for (std::uint32_t i = 0; i < count; ++i) {
            if (!get(items.emplace_back(), argument_bytes_max)) return false;
        }
        return true;
    }
    [[nodiscard]] bool read_uint(std::uint64_t& value);
    [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
    [[nodiscard]] bool read_bool(bool& value);
    [[nodiscard]] bool read_big_endian(std::size_t bytes, std::uint64_t& value);
    // What one value's first byte promises beyond itself.
    struct Shape {
        std::uint64_t body_bytes = 0;
        std::uint64_t items = 0;
    };
    [[nodiscard]] bool read_shape(Shape& shape);
    bool fail_with(const char* fault) {
        if (fault_ == nullptr) fault_ = fault;
        return false;
    }
    void blame(const char* record_name, const char* field_name) {
        if (!blamed_.empty()) return;  // the innermost field was already named
        blamed_ = record_name;
        if (field_name != nullptr) blamed_ += std::string(".") + field_name;
    }

    const char* at_;
    const char* end_;
    const char* fault_ = nullptr;
    std::string blamed_;
};

template <class M>
void write_to(std::string& out, const M& message, std::string* too_long) {
    Writer writer(out);
    fields(writer, message);
    if (too_long != nullptr) *too_long = writer.too_long();
}

template <class M>
[[nodiscard]] Result<M> read_all(std::string_view bytes) {
    Reader reader(bytes);
    M message;
    fields(reader, message);
    if (!reader.done()) return reader.error();
    return message;
}

}  // namespace ddb::wire
