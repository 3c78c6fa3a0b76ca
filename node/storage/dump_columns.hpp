// What a dump as it is printed would lose. A server shows six digits of a FLOAT, whatever it holds; as DOUBLE it shows
// all of them. A dump is in utf8mb4, from which some bytes of other character sets come back as others: they are asked
// for as bytes. An ENUM or SET that has '' shows its lack of a value as that: asked for as its number. The dump
// programs know no way to ask for any of it, so this stands between program and server.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "node/storage/child_pipes.hpp"
#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct TableOfDump {
    std::map<std::string, std::string> as;  // the type that a column is asked for as, where not its own
    std::vector<std::string> columns;       // all, as the server has them in order
};
// Of (database, table); none whose columns are all asked for as they are.
using ExactColumns = std::map<std::pair<std::string, std::string>, TableOfDump>;

[[nodiscard]] Result<ExactColumns> exact_columns(Connection& connection);

// What the program asks of a table's rows, with these columns as other types; any other text as it is. MySQL's program
// asks for "*" where a table has nothing but plain columns.
[[nodiscard]] std::string with_exact_columns(std::string_view sql, const std::string& database,
                                             const ExactColumns& exact);

// A socket where the dump program finds its server. Owner: the dump's thread, which ends the program first: a thread
// that hands it a result waits for it.
class DumpRelay {
  public:
    [[nodiscard]] static Result<std::unique_ptr<DumpRelay>> open(const std::string& server_socket, ExactColumns exact);
    ~DumpRelay();
    DumpRelay(const DumpRelay&) = delete;
    DumpRelay& operator=(const DumpRelay&) = delete;
    [[nodiscard]] std::string socket() const { return directory_ + "/s"; }

  private:
    DumpRelay(std::string server_socket, ExactColumns exact);
    Status listen();
    void run();
    void remove_path() const;
    void relay(int program);
    [[nodiscard]] std::string rewritten(std::string& from_program);

    const std::string server_socket_;
    const ExactColumns exact_;
    std::string directory_;
    int listener_ = -1;
    Pipe stop_;
    std::string database_;  // of the thread, as the program has chosen it
    std::jthread thread_;
};

}  // namespace ddb::storage
