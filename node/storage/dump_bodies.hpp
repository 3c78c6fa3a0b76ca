// Where in a dump the bodies of routines, triggers and events lie. Their lines are a user's text, which may look like
// anything that a dump says itself.
#pragma once

#include <string_view>

namespace ddb::storage {

class DumpBodies {
  public:
    static constexpr std::string_view begin_of_line = "DELIMITER ";  // what has to be whole

    // Of each line from its beginning, in order.
    void pass(std::string_view line) {
        first_ = false;
        if (!line.starts_with(begin_of_line)) return;
        first_ = inside_ = line != "DELIMITER ;\n";
    }
    [[nodiscard]] bool inside() const { return inside_; }
    [[nodiscard]] bool first() const { return first_; }  // the next line is a body's first one

  private:
    bool inside_ = false;
    bool first_ = false;
};

}  // namespace ddb::storage
