#include "node/storage/journal_records.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "schemas/digest.hpp"

namespace ddb::storage {
namespace {

constexpr char record_version = 1;
constexpr std::size_t cluster_name_bytes_max = 1024;

class RecordWriter {
  public:
    RecordWriter() { out_.push_back(record_version); }
    RecordWriter& number(std::uint64_t value) {
        out_ += big_endian(value);
        return *this;
    }
    RecordWriter& id(const EntryId& id) { return number(id.epoch.value).number(id.index.value); }
    RecordWriter& digest(const Digest& digest) {
        out_.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
        return *this;
    }
    RecordWriter& text(const std::string& text) {
        number(text.size());
        out_ += text;
        return *this;
    }
    [[nodiscard]] std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

// Reads what RecordWriter wrote; anything that does not fit makes done() false.
class RecordReader {
  public:
    explicit RecordReader(std::string_view bytes) : rest_(bytes) {
        good_ = !rest_.empty() && rest_.front() == record_version;
        if (good_) rest_.remove_prefix(1);
    }
    std::uint64_t number() {
        std::uint64_t value = 0;
        (void)parse_big_endian(take(8), value);
        return value;
    }
    EntryId id() {
        const Epoch epoch{number()};
        return {epoch, LogIndex{number()}};
    }
    Digest digest() {
        Digest digest;
        const std::string_view bytes = take(digest.bytes.size());
        std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
        return digest;
    }
    std::string text() {
        const std::uint64_t size = number();
        if (size > cluster_name_bytes_max) {
            good_ = false;
            return {};
        }
        return std::string(take(size));
    }
    [[nodiscard]] bool done() const { return good_ && rest_.empty(); }

  private:
    std::string_view take(std::size_t n) {
        if (!good_ || rest_.size() < n) {
            good_ = false;
            return {};
        }
        const std::string_view out = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return out;
    }
    std::string_view rest_;
    bool good_ = false;
};

}  // namespace

std::string big_endian(std::uint64_t value) {
    std::string out(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(value >> (8 * (7 - i)) & 0xff);
    return out;
}

bool parse_big_endian(std::string_view bytes, std::uint64_t& value) {
    if (bytes.size() != 8) return false;
    value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return true;
}

std::string intent_key(const StatementIntent& intent) {
    return std::string(intent_prefix) + big_endian(intent.sequence);
}

std::string encode_identity(const IdentityRecord& record) {
    return RecordWriter()
        .number(record.node.value)
        .text(record.cluster)
        .number(record.identity.incarnation.value)
        .number(record.identity.boot.value)
        .number(record.identity.boot_nonce)
        .take();
}

bool decode_identity(std::string_view bytes, IdentityRecord& out) {
    RecordReader reader(bytes);
    out.node = NodeId{static_cast<std::uint32_t>(reader.number())};
    out.cluster = reader.text();
    out.identity.incarnation = Incarnation{reader.number()};
    out.identity.boot = BootNumber{reader.number()};
    out.identity.boot_nonce = reader.number();
    return reader.done();
}

std::string encode_state(const StateRecord& state) {
    return RecordWriter()
        .number(state.write_number)
        .number(state.hard.epoch.value)
        .number(state.hard.granted_to.value)
        .number(state.decided.value)
        .id(state.base)
        .digest(state.base_digest)
        .id(state.last)
        .digest(state.last_digest)
        .digest(state.signed_digest)
        .digest(state.membership_digest)
        .digest(state.snapshot_digest)
        .number(state.rebuilding ? 1 : 0)
        .take();
}

bool decode_state(std::string_view bytes, StateRecord& out) {
    RecordReader reader(bytes);
    out.write_number = reader.number();
    out.hard.epoch = Epoch{reader.number()};
    out.hard.granted_to = NodeId{static_cast<std::uint32_t>(reader.number())};
    out.decided = LogIndex{reader.number()};
    out.base = reader.id();
    out.base_digest = reader.digest();
    out.last = reader.id();
    out.last_digest = reader.digest();
    out.signed_digest = reader.digest();
    out.membership_digest = reader.digest();
    if (reader.done()) return true;
    out.snapshot_digest = reader.digest();
    out.rebuilding = reader.number() != 0;
    return reader.done();
}

std::string encode_intent(const StatementIntent& intent) {
    return RecordWriter()
        .number(intent.txn.epoch.value)
        .number(intent.txn.counter)
        .number(intent.sequence)
        .number(intent.traces_of_run)
        .take();
}

bool decode_intent(std::string_view bytes, StatementIntent& out) {
    RecordReader reader(bytes);
    out.txn.epoch = Epoch{reader.number()};
    out.txn.counter = reader.number();
    out.sequence = reader.number();
    if (reader.done()) return true;  // records of earlier versions end here
    out.traces_of_run = reader.number();
    return reader.done();
}

TailMark::~TailMark() {
    if (fd_ >= 0) ::close(fd_);
}

Status TailMark::open(const std::string& path) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) return fail(ErrorCode::io, "cannot open " + path + ": " + std::strerror(errno));
    char bytes[40];
    const ssize_t n = ::pread(fd_, bytes, sizeof bytes, 0);
    if (n < 0) return fail(ErrorCode::io, "cannot read " + path + ": " + std::strerror(errno));
    if (n == 0) return ok();
    const std::string_view all(bytes, static_cast<std::size_t>(n));
    damaged_ = true;
    if (all.size() != sizeof bytes) return ok();
    const Digest check = blake2b(all.substr(0, 8));
    if (std::memcmp(check.bytes.data(), bytes + 8, check.bytes.size()) != 0) return ok();
    damaged_ = !parse_big_endian(all.substr(0, 8), stored_);
    return ok();
}

bool TailMark::write(std::uint64_t write_number) {
    std::string bytes = big_endian(write_number);
    const Digest check = blake2b(bytes);
    bytes.append(reinterpret_cast<const char*>(check.bytes.data()), check.bytes.size());
    return ::pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
}

// The framing of RocksDB's log: blocks of 32 KiB; a record is one or more fragments, each with a header of checksum
// (4), length (2, little-endian) and type (1: 1 whole, 2 first, 3 middle, 4 last); what is left of a block below 7
// bytes is padding.
std::uint64_t torn_bytes_of_wal(const std::string& file) {
    constexpr std::size_t block_bytes = 32u << 10;
    constexpr std::size_t header_bytes = 7;
    std::ifstream in(file, std::ios::binary);
    std::string block(block_bytes, '\0');
    std::uint64_t block_start = 0;
    std::uint64_t record_start = 0;
    bool inside = false;
    while (in) {
        in.read(block.data(), static_cast<std::streamsize>(block.size()));
        const auto size = static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0));
        std::size_t at = 0;
        while (size - at >= header_bytes) {
            const auto byte = [&](std::size_t i) {
                return static_cast<std::size_t>(static_cast<unsigned char>(block[at + i]));
            };
            const std::size_t length = byte(4) | byte(5) << 8;
            const std::size_t type = byte(6);
            if (type == 0 && length == 0) break;  // preallocated space
            if (type == 1 || type == 2) record_start = block_start + at;
            inside = type == 2 || type == 3;
            if (length > size - at - header_bytes) return block_start + size - record_start;
            at += header_bytes + length;
        }
        const bool padding = size == block_bytes;
        if (!padding && at < size && size - at < header_bytes) return size - at;  // a header cut short
        block_start += size;
    }
    return inside ? block_start - record_start : 0;
}

}  // namespace ddb::storage
