// Places at which a node can be told to end itself with SIGKILL, so that tests reach every step of a write. Off unless
// the setting debug.failpoint names one; nobody but who starts the node can set it. Process-wide on purpose: what it
// does concerns the whole process. Passing one that is not armed costs a relaxed load.
#pragma once

#include <cstdint>
#include <string>

#include "schemas/result.hpp"

namespace ddb::storage {

enum class Failpoint : std::uint8_t {
    none,
    // coordinator in office, a transaction
    captured,      // its group was read from the binary log; not proposed
    proposed,      // has its place in the log; not given to the journal
    journaled,     // in the own journal, durably
    decided,       // a majority has it; no XA COMMIT yet
    xa_committed,  // XA COMMIT returned; nobody was told
    committed,     // the client's answer is next
    // follower
    voting,             // entries are durable in its journal; its vote is next
    applying,           // sent to the server; its COMMIT is next
    applied,            // COMMIT returned; nobody was told
    statement_applied,  // a statement ran here; its position is not written
    // coordinator, a statement that replicates as text
    intent_recorded,     // journaled; it does not run yet
    statement_ran,       // its effects are there; nobody was told
    statement_captured,  // read from the binary log; not proposed
    statement_decided,   // the client's answer is next
};

// "name" or "name:N" for the Nth time it is passed; empty for none. Before any other thread is started.
// Errors: invalid_argument with the known names.
[[nodiscard]] Status arm_failpoint(const std::string& text);

// Any thread. Does not return when it is the armed one's turn.
void pass(Failpoint point);

}  // namespace ddb::storage
