#include "client/client_commands.hpp"

#include <array>
#include <utility>

#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

using Kind = ShellCommand::Kind;

struct Word {
    std::string_view name;
    Kind kind;
    bool needs_argument;
    bool takes_argument;
};

// Words that are no SQL; `use` and `delimiter` are the splitter's.
constexpr std::array<Word, 12> words{{{"exit", Kind::quit, false, false},
                                      {"quit", Kind::quit, false, false},
                                      {"clear", Kind::clear, false, false},
                                      {"status", Kind::status, false, false},
                                      {"source", Kind::source, true, true},
                                      {"tee", Kind::tee, true, true},
                                      {"notee", Kind::no_tee, false, false},
                                      {"pager", Kind::pager, false, true},
                                      {"nopager", Kind::no_pager, false, false},
                                      {"system", Kind::refused, false, true},
                                      {"edit", Kind::refused, false, false},
                                      // HELP 'topic' is the server's.
                                      {"help", Kind::help, false, false}}};
constexpr std::array<Word, 6> colon_words{{{":exit", Kind::quit, false, false},
                                           {":quit", Kind::quit, false, false},
                                           {":info", Kind::status, false, false},
                                           {":node", Kind::node, false, true},
                                           {":nodes", Kind::node, false, false},
                                           {":help", Kind::help, false, false}}};
constexpr std::array<std::pair<char, Kind>, 13> letters{{{'q', Kind::quit},
                                                         {'c', Kind::clear},
                                                         {'s', Kind::status},
                                                         {'.', Kind::source},
                                                         {'T', Kind::tee},
                                                         {'t', Kind::no_tee},
                                                         {'P', Kind::pager},
                                                         {'n', Kind::no_pager},
                                                         {'h', Kind::help},
                                                         {'?', Kind::help},
                                                         {'u', Kind::use},
                                                         {'!', Kind::refused},
                                                         {'e', Kind::refused}}};

std::optional<ShellCommand> by_letter(std::string_view line) {
    const char letter = line.size() > 1 ? line[1] : ' ';
    if (letter == 'g' || letter == 'G') return std::nullopt;
    const std::string argument(trim(line.size() > 2 ? line.substr(2) : std::string_view()));
    for (const auto& [name, kind] : letters) {
        if (name == letter) return ShellCommand{kind, argument};
    }
    return ShellCommand{Kind::unknown, std::string(line)};
}

}  // namespace

std::optional<ShellCommand> parse_command(std::string_view line) {
    line = trim(line);
    if (line.empty()) return std::nullopt;
    if (line[0] == '\\') return by_letter(line);
    const std::size_t end = std::min(line.find_first_of(" \t;"), line.size());
    const std::string word = lower(line.substr(0, end));
    std::string_view rest = line.substr(end);
    while (rest.ends_with(';')) rest = trim(rest.substr(0, rest.size() - 1));
    const std::string argument(trim(rest));
    if (line[0] == ':') {
        for (const Word& known : colon_words) {
            if (known.name == word) return ShellCommand{known.kind, argument};
        }
        return ShellCommand{Kind::unknown, std::string(line)};
    }
    for (const Word& known : words) {
        if (known.name != word) continue;
        if (argument.empty() ? !known.needs_argument : known.takes_argument) return ShellCommand{known.kind, argument};
    }
    return std::nullopt;
}

const char* command_help() {
    return "  ;  \\g         run the statement        \\G            run it, one line per column\n"
           "  \\c            drop what was typed      \\q  :exit     leave\n"
           "  :node         nodes of the cluster     :node N|HOST:PORT   work at that node\n"
           "  \\s  :info     about this connection    \\u DATABASE   change the database\n"
           "  \\. FILE       run the SQL in FILE      DELIMITER X   end statements with X\n"
           "  \\T FILE  \\t   copy output to FILE, stop\n"
           "  \\P COMMAND    show results through COMMAND (default: $PAGER or less), \\n without\n";
}

}  // namespace ddb::client
