// Routines, triggers and views are in a dump in the character set of the client that made them. In some of these a
// character's second byte may be a backslash: the client program that loads the dump has to be told, or it takes what
// is behind it for escaped.
#pragma once

#include <string>
#include <string_view>

#include "node/storage/dump_bodies.hpp"

namespace ddb::storage {

class DumpCharsets {
  public:
    // What of the dump can go on, with the client's own commands in between. The end of a line may be kept back.
    [[nodiscard]] std::string pass(std::string_view bytes);
    [[nodiscard]] std::string rest();  // behind the last

  private:
    [[nodiscard]] std::string command_for(std::string_view line);

    std::string line_;     // its beginning, as long as it may be one that is looked for
    bool inside_ = false;  // a line that is none
    bool told_ = false;
    DumpBodies bodies_;
};

}  // namespace ddb::storage
