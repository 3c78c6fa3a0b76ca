// The sealed envelope around every ZeroMQ message. Pure functions; any thread. Grammar in schemas/WIRE.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/keys.hpp"
#include "schemas/codec.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

inline constexpr std::uint8_t wire_version = 1;
inline constexpr std::size_t message_bytes_max = 80u << 20;  // envelope and payload

enum class ChecksumKind : std::uint8_t { blake2b = 1, sha256 = 2 };

struct Envelope {
    std::uint8_t version = wire_version;
    std::string cluster;
    MessageKind kind = MessageKind::ping;
    Voter sender;  // id 0: a client
    BootNumber boot;
    std::uint64_t boot_nonce = 0;
    Epoch epoch;
    LamportTime lamport;
    std::uint64_t sequence = 0;
    std::string_view payload;  // into the sealed bytes when opened
};

[[nodiscard]] std::string seal(const Envelope& envelope, ChecksumKind checksum, const Key& key);
// The same without a copy of the payload: seal_begin() into an empty `out`, append the payload, seal_end() with what
// seal_begin() returned. envelope.payload is not looked at.
[[nodiscard]] std::size_t seal_begin(std::string& out, const Envelope& envelope, ChecksumKind checksum);
void seal_end(std::string& out, std::size_t payload_at, ChecksumKind checksum, const Key& key);

// Errors: corrupt (too short, checksum, msgpack), refused (newer version, names both; other cluster name).
// `cluster` empty: any is accepted. `cluster_optional`: an envelope that names none is accepted too (of clients, who
// may not know the name yet).
[[nodiscard]] Result<Envelope> open_sealed(std::string_view bytes, const std::string& cluster, const Key& key,
                                           bool cluster_optional = false);

}  // namespace ddb::bus
