#include "bus/envelope.hpp"

#include <sodium.h>

#include <array>
#include <cstring>
#include <msgpack/pack.hpp>

#include "schemas/wire_format.hpp"

namespace ddb::bus {

namespace {

constexpr std::size_t checksum_bytes = 32;
constexpr std::size_t cluster_bytes_max = 64;
constexpr std::uint32_t field_count = 12;
constexpr unsigned char bin32_tag = 0xC6;
constexpr std::size_t bin32_bytes = 5;  // tag and length

using Checksum = std::array<unsigned char, checksum_bytes>;

[[nodiscard]] const unsigned char* as_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

[[nodiscard]] Checksum checksum_of(std::string_view bytes, ChecksumKind kind, const Key& key) {
    static const bool ready = sodium_init() >= 0;
    DDB_ASSERT(ready);
    Checksum out{};
    if (kind == ChecksumKind::sha256) {
        static_assert(crypto_auth_hmacsha256_BYTES == checksum_bytes);
        crypto_auth_hmacsha256(out.data(), as_bytes(bytes), bytes.size(), key.data());
    } else {
        crypto_generichash(out.data(), out.size(), as_bytes(bytes), bytes.size(), key.data(), key.size());
    }
    return out;
}

[[nodiscard]] Error corrupt(const std::string& what) {
    return fail(ErrorCode::corrupt, "envelope " + what);
}

}  // namespace

std::size_t seal_begin(std::string& out, const Envelope& envelope, ChecksumKind checksum) {
    wire::StringSink sink{out};
    msgpack::packer<wire::StringSink> packer(sink);
    packer.pack_array(field_count);
    packer.pack_uint8(envelope.version);
    packer.pack_uint8(static_cast<std::uint8_t>(checksum));
    packer.pack_str(static_cast<std::uint32_t>(envelope.cluster.size()));
    packer.pack_str_body(envelope.cluster.data(), static_cast<std::uint32_t>(envelope.cluster.size()));
    packer.pack_uint16(static_cast<std::uint16_t>(envelope.kind));
    packer.pack_uint32(envelope.sender.id.value);
    packer.pack_uint64(envelope.sender.incarnation.value);
    packer.pack_uint64(envelope.boot.value);
    packer.pack_uint64(envelope.boot_nonce);
    packer.pack_uint64(envelope.epoch.value);
    packer.pack_uint64(envelope.lamport.value);
    packer.pack_uint64(envelope.sequence);
    // The longest form of the length, whatever the length is: it is filled in when the payload is there.
    out += static_cast<char>(bin32_tag);
    out.append(bin32_bytes - 1, '\0');
    return out.size();
}

void seal_end(std::string& out, std::size_t payload_at, ChecksumKind checksum, const Key& key) {
    const std::size_t size = out.size() - payload_at;
    for (std::size_t i = 0; i < bin32_bytes - 1; ++i)
        out[payload_at - 1 - i] = static_cast<char>((size >> (8U * i)) & 0xFFU);
    const Checksum sum = checksum_of(out, checksum, key);
    out.append(reinterpret_cast<const char*>(sum.data()), sum.size());
}

std::string seal(const Envelope& envelope, ChecksumKind checksum, const Key& key) {
    std::string out;
    out.reserve(envelope.payload.size() + envelope.cluster.size() + 128);
    const std::size_t payload_at = seal_begin(out, envelope, checksum);
    out += envelope.payload;
    seal_end(out, payload_at, checksum, key);
    return out;
}

Result<Envelope> open_sealed(std::string_view bytes, const std::string& cluster, const Key& key,
                             bool cluster_optional) {
    if (bytes.size() > message_bytes_max)
        return corrupt("is longer than " + std::to_string(message_bytes_max) + " bytes");
    if (bytes.size() <= checksum_bytes) return corrupt("is too short");
    const std::string_view body = bytes.substr(0, bytes.size() - checksum_bytes);

    Envelope envelope;
    wire::Reader reader(body);
    std::uint32_t fields_present = 0;
    std::uint8_t checksum = 0;
    if (!reader.read_array(fields_present) || !reader.read_number(envelope.version, 255)) {
        return corrupt("does not begin with a version");
    }
    // Said before the checksum is looked at: a newer version may compute it differently. Nothing but a refusal follows.
    if (envelope.version > wire_version) {
        return fail(ErrorCode::refused, "message of version " + std::to_string(envelope.version) +
                                            ", this program speaks up to version " + std::to_string(wire_version));
    }
    if (envelope.version == 0 || fields_present < field_count) return corrupt("has too few fields");
    if (!reader.read_number(checksum, 255) || checksum < 1 || checksum > 2)
        return corrupt("has an unknown checksum kind");
    const Checksum expected = checksum_of(body, static_cast<ChecksumKind>(checksum), key);
    if (sodium_memcmp(expected.data(), bytes.data() + body.size(), checksum_bytes) != 0) {
        return corrupt("has a wrong checksum");
    }

    std::string_view name;
    std::uint16_t kind = 0;
    const bool read =
        reader.read_view(name, cluster_bytes_max) && reader.read_number(kind, UINT16_MAX) &&
        reader.read_number(envelope.sender.id.value, 65535) &&
        reader.read_number(envelope.sender.incarnation.value, UINT64_MAX) &&
        reader.read_number(envelope.boot.value, UINT64_MAX) && reader.read_number(envelope.boot_nonce, UINT64_MAX) &&
        reader.read_number(envelope.epoch.value, UINT64_MAX) &&
        reader.read_number(envelope.lamport.value, UINT64_MAX) && reader.read_number(envelope.sequence, UINT64_MAX) &&
        reader.read_view(envelope.payload, message_bytes_max);
    if (!read) return corrupt("has a damaged field");
    for (std::uint32_t i = field_count; i < fields_present; ++i) {
        if (!reader.skip()) return corrupt("has a damaged field");
    }
    if (!reader.done()) return corrupt("is followed by stray bytes");
    envelope.cluster = name;
    envelope.kind = static_cast<MessageKind>(kind);
    const bool unnamed = name.empty() && cluster_optional;
    if (!cluster.empty() && !unnamed && name != cluster) {
        return fail(ErrorCode::refused, "message of cluster \"" + envelope.cluster + "\", this is \"" + cluster + "\"");
    }
    return envelope;
}

}  // namespace ddb::bus
