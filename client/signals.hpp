// SIGINT as a count that loops look at: a running statement is cancelled first, given up at the second one.
#pragma once

namespace ddb::client {

void count_interrupts();  // installs the handler; system calls are not restarted
[[nodiscard]] int interrupts_seen();
void forget_interrupts();

}  // namespace ddb::client
