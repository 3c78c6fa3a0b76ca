// The client programs that load a dump take the newline away from a line that begins with the word "delimiter", but in
// strings and comments: what stands in the next line would follow without a space. In the body of a routine or trigger
// such a line is a column or a parameter of that name; it gets a second newline.
#pragma once

#include <string>
#include <string_view>

#include "node/storage/dump_bodies.hpp"

namespace ddb::storage {

class DumpDelimiters {
  public:
    [[nodiscard]] std::string pass(std::string_view bytes);

  private:
    enum class Place { code, quoted, line_comment, comment };
    void look_at(char c);
    [[nodiscard]] bool loses_newline() const;
    void end_line();

    DumpBodies bodies_;
    std::string begin_;        // of the line, as much as is looked at
    bool backslashes_ = true;  // escape in strings, by the mode that the dump has set
    // Of the body so far.
    Place place_ = Place::code;
    char quote_ = 0;
    bool escaped_ = false;
    std::string last_;  // three bytes
};

}  // namespace ddb::storage
