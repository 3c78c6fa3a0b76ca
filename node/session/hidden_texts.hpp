// Texts that PREPARE and EXECUTE IMMEDIATE are given: what is a definition in them runs as the statement that it is,
// with all that is asked of one. Pure, but for ask_text(); owned by a session.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "node/storage/connection.hpp"

namespace ddb::session {

// Of PREPARE name FROM …: both as they matter, the name in lower case, the expression as it is written.
struct PreparedAs {
    std::string name;
    std::string expression;
};
[[nodiscard]] std::optional<PreparedAs> prepared_as(std::string_view sql);

// Of EXECUTE IMMEDIATE …; empty where USING gives it parameters, and for all else.
[[nodiscard]] std::string executed_expression(std::string_view sql);
// Of EXECUTE name, likewise.
[[nodiscard]] std::string executed_name(std::string_view sql);

// The text that either has as a string, whatever its parameters; nullopt where it is put together.
[[nodiscard]] std::optional<std::string> said_literally(std::string_view sql);
// What a string of the text stands for; nullopt for other expressions.
[[nodiscard]] std::optional<std::string> literal_value(std::string_view expression);

// Blocks. nullopt: not known, or of characters that are others in the text of a statement.
[[nodiscard]] std::optional<std::string> ask_text(storage::Connection& connection, const std::string& expression);

// A hidden text that may say something other than a query or a change of rows: worth to be remembered, and looked at.
[[nodiscard]] bool defines(std::string_view text);

// What a session has prepared by name.
class PreparedTexts {
  public:
    static constexpr std::size_t texts_max = 64;
    static constexpr std::size_t bytes_max = 64u << 10;  // of each

    void prepared(const std::string& name, const std::optional<std::string>& text, const std::string& database);
    // Names of the text are those of the database in which it was prepared: nullopt in another one.
    [[nodiscard]] std::optional<std::string> text_of(const std::string& name, std::string_view database) const;
    // Something has run that may have prepared others by the same names.
    void forget() { texts_.clear(); }

  private:
    struct Prepared {
        std::string text;
        std::string database;
    };
    std::map<std::string, Prepared> texts_;
};

}  // namespace ddb::session
