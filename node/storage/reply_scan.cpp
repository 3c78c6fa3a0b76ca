#include "node/storage/reply_scan.hpp"

#include <optional>

namespace ddb::storage {
namespace {

constexpr std::size_t header_bytes = 4;
constexpr std::size_t payload_bytes_max = 0xffffff;  // such a packet goes on in the next
constexpr std::size_t eof_bytes = 5;
constexpr std::uint16_t more_results = 8;  // SERVER_MORE_RESULTS_EXISTS

class Payload {
  public:
    explicit Payload(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] std::optional<std::uint64_t> integer(std::size_t size) {
        if (bytes_.size() < size) return std::nullopt;
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) {
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[i])) << (8 * i);
        }
        bytes_.remove_prefix(size);
        return value;
    }
    [[nodiscard]] std::optional<std::uint64_t> length() {
        const auto first = integer(1);
        if (!first || *first < 251) return first;
        if (*first == 0xfc) return integer(2);
        if (*first == 0xfd) return integer(3);
        if (*first == 0xfe) return integer(8);
        return std::nullopt;
    }

  private:
    std::string_view bytes_;
};

class ReplyScanner {
  public:
    explicit ReplyScanner(std::size_t count) : left_(count) {}

    [[nodiscard]] Replies scan(std::string_view bytes) {
        while (left_ > 0) {
            if (bytes.size() < header_bytes) return Replies::incomplete;
            const std::size_t size = *Payload(bytes).integer(3);
            if (size == 0 || size == payload_bytes_max) return Replies::other;
            if (bytes.size() < header_bytes + size) return Replies::incomplete;
            if (const auto answer = take(bytes.substr(header_bytes, size))) return *answer;
            bytes.remove_prefix(header_bytes + size);
        }
        return bytes.empty() ? Replies::complete : Replies::other;
    }

  private:
    enum class State : std::uint8_t { header, columns, behind_columns, rows };

    // Nothing: on with the next packet.
    std::optional<Replies> take(std::string_view payload) {
        const auto first = static_cast<unsigned char>(payload.front());
        if (first == 0xff) return Replies::failed;
        const bool is_eof = first == 0xfe && payload.size() == eof_bytes;
        switch (state_) {
            case State::header:
                return take_header(payload);
            case State::columns:
                if (--columns_ == 0) state_ = State::behind_columns;
                return std::nullopt;
            case State::behind_columns:
                if (!is_eof) return Replies::other;
                state_ = State::rows;
                return std::nullopt;
            case State::rows:
                if (!is_eof) return std::nullopt;
                Payload eof(payload.substr(3));  // behind the mark and the warnings
                return end_of_result(eof.integer(2));
        }
        return Replies::other;
    }

    std::optional<Replies> take_header(std::string_view payload) {
        Payload fields(payload);
        if (payload.front() != 0) {
            const auto columns = fields.length();
            if (!columns) return Replies::other;
            columns_ = *columns;
            state_ = State::columns;
            return std::nullopt;
        }
        (void)fields.integer(1);
        if (!fields.length() || !fields.length()) return Replies::other;
        return end_of_result(fields.integer(2));
    }

    std::optional<Replies> end_of_result(std::optional<std::uint64_t> status) {
        if (!status) return Replies::other;
        state_ = State::header;
        if ((*status & more_results) == 0) --left_;
        return std::nullopt;
    }

    std::size_t left_;  // replies
    State state_ = State::header;
    std::uint64_t columns_ = 0;
};

}  // namespace

Replies scan_replies(std::string_view bytes, std::size_t count) {
    return ReplyScanner(count).scan(bytes);
}

}  // namespace ddb::storage
