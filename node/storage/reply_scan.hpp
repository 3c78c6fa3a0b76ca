// Finds out, from bytes that have come but were not read yet, whether a server's replies to COM_QUERY packets are all
// there: then reading them waits for nothing. Understands the protocol without CLIENT_DEPRECATE_EOF, as libmariadb
// speaks it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ddb::storage {

enum class Replies : std::uint8_t {
    incomplete,  // more has to come
    complete,    // all there, none of them an error
    failed,      // an error is among those that are there
    other        // none of these: a file is asked for, or the bytes make no sense here
};

// `bytes`: from the first byte of the first reply on. `count`: statements that were sent.
[[nodiscard]] Replies scan_replies(std::string_view bytes, std::size_t count);

}  // namespace ddb::storage
