#include "node/session/definition_words.hpp"

namespace ddb::session {

using rules::head_has;
using rules::token_at;
using rules::Tokens;

std::string refused_of_server(Tokens tokens) {
    const bool undo = token_at(tokens, 1).is("UNDO");
    const bool space = token_at(tokens, undo ? 2 : 1).is("TABLESPACE");
    if (space && (undo || token_at(tokens, 0).is("CREATE"))) {
        return "tablespaces are refused: no dump has them, so that no node could be loaded with their tables, and "
               "those for undo would be made on one server only; leave TABLESPACE out";
    }
    const std::size_t kind = token_at(tokens, 1).is("OR") ? 3 : 1;
    if (token_at(tokens, kind).is("SPATIAL") && token_at(tokens, kind + 1).is("REFERENCE")) {
        return "spatial reference systems are refused: no dump has them, so that no node could be loaded with columns "
               "of them; use one of the server's own";
    }
    if (token_at(tokens, 1).is("RESOURCE") && token_at(tokens, 2).is("GROUP"))
        return "resource groups are refused: the binary log does not carry them";
    if (token_at(tokens, 1).is("INSTANCE"))
        return "ALTER INSTANCE is refused: it would act on one server only, which must not stop writing its log";
    return {};
}

std::string refused_kind(Tokens tokens, const Token& object) {
    const Token& verb = tokens[0];
    if (object.is("SERVER")) return "federated servers are refused: the binary log does not carry them";
    if (object.is("EVENT") && !verb.is("DROP")) {
        return "events are refused: the event scheduler is off on every node, so that no statement runs more than once";
    }
    if (object.is("FUNCTION") && head_has(tokens, "SONAME")) {
        return "CREATE FUNCTION … SONAME is refused: the library would be missing on the other nodes";
    }
    if (object.is("TABLE") && rules::names_directory(tokens)) {
        return "DATA DIRECTORY and INDEX DIRECTORY are refused: the path would have to exist, and be free, on every "
               "node's host; leave them out";
    }
    if ((object.is("TABLE") || object.is("INDEX")) && rules::makes_vector_index(tokens)) {
        return "VECTOR indexes are refused: the server prepares no transaction that writes to them (XA), so that "
               "nothing could be written to the table; VECTOR columns without one are served";
    }
    if (object.is("TABLE") && rules::skips_validation(tokens)) {
        return "WITHOUT VALIDATION is refused: rows in a partition that is not theirs cannot be changed on other "
               "nodes, nor loaded by new ones; leave it out";
    }
    if (object.is("SEQUENCE") && rules::numbers_beyond_signed(tokens)) {
        return "a sequence AS BIGINT UNSIGNED is refused: servers do not take its numbers from another one (4085); "
               "leave UNSIGNED out, or say INT UNSIGNED";
    }
    if (object.is("TABLE") && rules::places_history_by_server(tokens)) {
        return "PARTITION BY SYSTEM_TIME with LIMIT or AUTO is refused: each server decides for itself which partition "
               "is full and adds partitions, so that DROP PARTITION would drop other rows on each node; use INTERVAL, "
               "and ALTER TABLE … ADD PARTITION";
    }
    if (verb.is("ALTER") && object.is("TABLE") && rules::moves_tablespace(tokens)) {
        return "DISCARD and IMPORT TABLESPACE are refused: a table without its file keeps this node from loading "
               "others, and the file would have to be on every node's host; use INSERT … SELECT or LOAD DATA";
    }
    return {};
}

}  // namespace ddb::session
