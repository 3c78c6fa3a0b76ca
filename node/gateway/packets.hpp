// Framing of the MySQL protocol: payloads of any size in packets of at most 16 MiB - 1, each with a 3-byte length and a
// sequence number. Plain values; owner: whoever owns the connection.
//
// Source: https://mariadb.com/kb/en/0-packet/
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/result.hpp"

namespace ddb::gateway {

inline constexpr std::size_t packet_bytes_max = 0xFFFFFF;

// Takes bytes as they come and gives whole payloads. Bytes from the network: any input is either a payload or an error.
class PacketReader {
  public:
    // `payload_bytes_max`: a longer payload is an error (code overloaded, mysql_code 1153 / 08S01), as on a server.
    explicit PacketReader(std::size_t payload_bytes_max) : payload_bytes_max_(payload_bytes_max) {}

    void set_limit(std::size_t payload_bytes_max) { payload_bytes_max_ = payload_bytes_max; }
    void feed(std::string_view bytes);
    // The next whole payload; nothing when bytes are missing. Errors: overloaded (too long), invalid_argument (sequence
    // number out of order: 1156 / 08S01). After an error the connection cannot go on. Memory held stays below the limit
    // plus one feed.
    [[nodiscard]] Result<std::optional<std::string>> next();
    // Sequence number that the answer to the last payload begins with.
    [[nodiscard]] std::uint8_t next_sequence() const { return sequence_; }
    // What the next packet's number must be: 0 where a command begins, in a login one more than our last.
    void expect(std::uint8_t sequence) { sequence_ = sequence; }
    // Frames around the packets have numbers of their own, which clients take for those of packets: theirs count no
    // more.
    void expect_any() { any_sequence_ = true; }
    [[nodiscard]] bool between_payloads() const { return payload_.empty(); }
    [[nodiscard]] std::size_t buffered() const { return buffer_.size() - position_ + payload_.size(); }
    // What was fed and is not yet cut, for another reader: TLS begins in the middle of a stream.
    [[nodiscard]] std::string take_unread();

  private:
    std::size_t payload_bytes_max_;
    std::string buffer_;  // not yet cut; consumed up to position_
    std::size_t position_ = 0;
    std::string payload_;  // of a payload whose packets are not all there
    std::uint8_t sequence_ = 0;
    bool any_sequence_ = false;
};

// Appends payloads as packets to a buffer that the connection sends.
class PacketWriter {
  public:
    void set_sequence(std::uint8_t next) { sequence_ = next; }
    [[nodiscard]] std::uint8_t sequence() const { return sequence_; }
    // Splits where needed; a payload of exactly n * (16 MiB - 1) is followed by an empty packet.
    void append(std::string& out, std::string_view payload);

  private:
    std::uint8_t sequence_ = 0;
};

// Integers and strings of the protocol, little endian. Appending never fails.
void put_int(std::string& out, std::uint64_t value, int bytes);
void put_lenenc(std::string& out, std::uint64_t value);
void put_lenenc_string(std::string& out, std::string_view text);

// Reads fields off the front of a payload. Every function gives nothing when bytes are missing; then nothing was taken.
class FieldReader {
  public:
    explicit FieldReader(std::string_view bytes) : rest_(bytes) {}
    [[nodiscard]] std::optional<std::uint64_t> integer(int bytes);
    [[nodiscard]] std::optional<std::uint64_t> lenenc();  // 0xFB and 0xFF are no integers
    [[nodiscard]] std::optional<std::string_view> lenenc_string();
    [[nodiscard]] std::optional<std::string_view> zero_terminated();
    [[nodiscard]] std::optional<std::string_view> bytes(std::size_t count);
    [[nodiscard]] std::string_view rest() const { return rest_; }
    [[nodiscard]] bool empty() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

}  // namespace ddb::gateway
