// A server shows six digits of a FLOAT, whatever it holds: a dump as it is printed would be of other numbers. As DOUBLE
// it shows all of them. The dump programs know no way to ask for that, so this stands between program and server.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "node/storage/child_pipes.hpp"
#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct TableWithFloats {
    std::set<std::string> floats;
    std::vector<std::string> columns;  // all, as the server has them in order
};
// Of (database, table); none without FLOAT columns.
using FloatColumns = std::map<std::pair<std::string, std::string>, TableWithFloats>;

[[nodiscard]] Result<FloatColumns> float_columns(Connection& connection);

// What the program asks of a table's rows, with its FLOAT columns as DOUBLE; any other text as it is. MySQL's program
// asks for "*" where a table has nothing but plain columns.
[[nodiscard]] std::string with_exact_floats(std::string_view sql, const std::string& database,
                                            const FloatColumns& floats);

// A socket where the dump program finds its server. Owner: the dump's thread, which ends the program first: a thread
// that hands it a result waits for it.
class DumpRelay {
  public:
    [[nodiscard]] static Result<std::unique_ptr<DumpRelay>> open(const std::string& server_socket, FloatColumns floats);
    ~DumpRelay();
    DumpRelay(const DumpRelay&) = delete;
    DumpRelay& operator=(const DumpRelay&) = delete;
    [[nodiscard]] std::string socket() const { return directory_ + "/s"; }

  private:
    DumpRelay(std::string server_socket, FloatColumns floats);
    Status listen();
    void run();
    void remove_path() const;
    void relay(int program);
    [[nodiscard]] std::string rewritten(std::string& from_program);

    const std::string server_socket_;
    const FloatColumns floats_;
    std::string directory_;
    int listener_ = -1;
    Pipe stop_;
    std::string database_;  // of the thread, as the program has chosen it
    std::jthread thread_;
};

}  // namespace ddb::storage
