// Routines, triggers and events whose text ends with a comment to the end of its line: MySQL keeps it, and its dump
// program writes the delimiter behind it, into the comment. Whoever loads the dump would never see where the text ends.
#pragma once

#include <string>
#include <string_view>

#include "node/storage/dump_bodies.hpp"

namespace ddb::storage {

class DumpComments {
  public:
    // What of the dump can go on, with a line's end behind such a comment. Lines that may end a text are kept back.
    [[nodiscard]] std::string pass(std::string_view bytes);
    [[nodiscard]] std::string rest();  // behind the last

  private:
    [[nodiscard]] std::string take_line();
    [[nodiscard]] std::string mended() const;

    std::string line_;      // so far; of one that is of no interest nothing
    std::string last_;      // the line before, where the text may have ended with it
    bool passing_ = false;  // the rest of a line that is of no interest
    DumpBodies bodies_;
    bool wrapped_ = false;  // the text stands in a comment of a version, whose end is in the trailing one as well
};

}  // namespace ddb::storage
