#include "schemas/digest.hpp"

#include <sodium.h>

#include <array>
#include <concepts>

#include "schemas/result.hpp"

namespace ddb {

namespace {

// libsodium picks its fast implementations here; without it the digest falls back to the portable one.
void sodium_ready() {
    static const bool ready = sodium_init() >= 0;
    DDB_ASSERT(ready);
}

// Integers in little-endian order and fixed widths: the digest must not depend on how msgpack chooses to write a
// number.
class Canonical {
  public:
    template <std::unsigned_integral T>
    void number(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            put(static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8U * i)));
        }
    }
    template <std::size_t N>
    void bytes(const std::array<std::uint8_t, N>& data) {
        for (const std::uint8_t byte : data) put(byte);
    }
    [[nodiscard]] const unsigned char* data() const { return buffer_.data(); }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    void put(unsigned char byte) {
        DDB_ASSERT(size_ < buffer_.size());
        buffer_[size_++] = byte;
    }
    std::array<unsigned char, 256> buffer_{};
    std::size_t size_ = 0;
};

[[nodiscard]] const unsigned char* as_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Digest entry_digest(const Digest& previous, const Entry& entry) {
    sodium_ready();
    Canonical fixed;
    fixed.bytes(previous.bytes);
    fixed.number(entry.id.epoch.value);
    fixed.number(entry.id.index.value);
    fixed.number(static_cast<std::uint8_t>(entry.kind));
    fixed.number(entry.txn.epoch.value);
    fixed.number(entry.txn.counter);
    fixed.bytes(entry.session.bytes);
    fixed.number(entry.request.value);
    fixed.number(entry.statement_count);
    fixed.number(entry.row_count);
    fixed.number(entry.created_at_us);
    fixed.number(entry.outcome.affected_rows);
    fixed.number(entry.outcome.last_insert_id);
    fixed.number(entry.outcome.warnings);
    fixed.number(entry.outcome.error_code);
    fixed.number(std::uint64_t{entry.outcome.info.size()});
    fixed.number(std::uint64_t{entry.payload.size()});

    Digest digest;
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, digest.bytes.size());
    crypto_generichash_update(&state, fixed.data(), fixed.size());
    crypto_generichash_update(&state, as_bytes(entry.outcome.info), entry.outcome.info.size());
    crypto_generichash_update(&state, as_bytes(entry.payload.view()), entry.payload.size());
    crypto_generichash_final(&state, digest.bytes.data(), digest.bytes.size());
    return digest;
}

Digest blake2b(std::string_view bytes) {
    sodium_ready();
    Digest digest;
    crypto_generichash(digest.bytes.data(), digest.bytes.size(), as_bytes(bytes), bytes.size(), nullptr, 0);
    return digest;
}

}  // namespace ddb
