// Result<T>: a value or an Error. Every fallible call across module borders returns one; exceptions of libraries end
// where the library is wrapped. Plain values, no thread rules.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace ddb {

// What the caller may conclude. `unknown_outcome` is a third answer and never folded into the others.
enum class ErrorCode : std::uint8_t {
    invalid_argument = 1,  // bad input: configuration, command line, SQL that ddb refuses
    sql = 2,               // the database server's own error; mysql_code and sqlstate are set
    not_found = 3,
    corrupt = 4,           // bytes from disk or network that fail a check
    io = 5,                // system call failed
    timeout = 6,           // deadline passed before anything happened
    no_quorum = 7,         // no coordinator with a majority within the deadline; nothing happened
    overloaded = 8,        // a stated limit is reached; nothing happened
    refused = 9,           // authentication, wrong cluster, wrong version, fenced node
    unknown_outcome = 10,  // may have happened or not; ask by transaction id
    not_coordinator = 11,  // redirect: nothing happened here
    too_old = 12,          // retried request is below the floor of remembered outcomes
    shutting_down = 13,
    internal = 14,
};

struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;
    std::uint16_t mysql_code = 0;  // MySQL error number, 0 where none fits
    std::string sqlstate;          // five characters or empty
};

[[nodiscard]] const char* to_string(ErrorCode code);

// Ends the process with a message: for our own mistakes only, never for bytes from disk, network or user.
[[noreturn]] inline void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "ddb: assertion failed: %s (%s:%d)\n", condition, file, line);
    std::abort();
}
#define DDB_ASSERT(condition) \
    (static_cast<bool>(condition) ? void(0) : ::ddb::assertion_failed(#condition, __FILE__, __LINE__))

struct Unit {};

template <class T = Unit>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & {
        DDB_ASSERT(ok());
        return std::get<0>(state_);
    }
    const T& value() const& {
        DDB_ASSERT(ok());
        return std::get<0>(state_);
    }
    T&& value() && {
        DDB_ASSERT(ok());
        return std::get<0>(std::move(state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    [[nodiscard]] const Error& error() const {
        DDB_ASSERT(!ok());
        return std::get<1>(state_);
    }

  private:
    std::variant<T, Error> state_;
};

using Status = Result<Unit>;
[[nodiscard]] inline Status ok() {
    return Unit{};
}
[[nodiscard]] inline Error fail(ErrorCode code, std::string message) {
    return Error{code, std::move(message), 0, {}};
}

}  // namespace ddb
