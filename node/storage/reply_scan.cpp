#include "node/storage/reply_scan.hpp"

#include <optional>

#include "node/storage/binlog_bytes.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t header_bytes = 4;
constexpr std::size_t payload_bytes_max = 0xffffff;  // such a packet goes on in the next
constexpr std::size_t eof_bytes = 5;
constexpr std::uint16_t more_results = 8;  // SERVER_MORE_RESULTS_EXISTS

class ReplyScanner {
  public:
    explicit ReplyScanner(std::size_t count) : left_(count) {}

    [[nodiscard]] Replies scan(std::string_view bytes) {
        while (left_ > 0) {
            if (bytes.size() < header_bytes) return Replies::incomplete;
            const std::size_t size = ByteCursor(bytes).number(3);
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
                return end_of_result(ByteCursor(payload.substr(3)));  // behind the mark and the warnings
        }
        return Replies::other;
    }

    std::optional<Replies> take_header(std::string_view payload) {
        ByteCursor fields(payload);
        const std::uint64_t first = fields.packed();
        if (fields.failed()) return Replies::other;
        if (first != 0) {
            columns_ = first;
            state_ = State::columns;
            return std::nullopt;
        }
        (void)fields.packed();  // affected rows
        (void)fields.packed();  // insert id
        return end_of_result(fields);
    }

    // `fields`: from the status flags on.
    std::optional<Replies> end_of_result(ByteCursor fields) {
        const std::uint64_t status = fields.number(2);
        if (fields.failed()) return Replies::other;
        state_ = State::header;
        if ((status & more_results) == 0) --left_;
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
