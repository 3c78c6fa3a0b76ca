// Digests every table of the local server as it was at one index of the log, in chunks of rows, beside ordinary work:
// one read-only snapshot, no lock held for longer than a chunk takes to read.
//
// begin() is called by the thread that stands between two entries (committer or applier); the rest happens on a thread
// of this object. The destructor waits for one reply of the server at most.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/audit_messages.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

class Digester {
  public:
    using Done = std::function<void(Result<std::vector<AuditedTable>>)>;  // on this object's thread, once

    // Opens the snapshot and lists the tables. Definitions must not change meanwhile.
    [[nodiscard]] static Result<std::unique_ptr<Digester>> begin(const ConnectOptions& service, Done done);
    ~Digester();

    void stop() { thread_.request_stop(); }  // any thread; done() is still called
    [[nodiscard]] bool running() const { return !ended_; }

  private:
    struct Name {
        std::string database;
        std::string table;
    };
    enum class Literal : std::uint8_t { number, text, bytes };
    struct Key {
        std::string index;                 // quoted
        std::string order;                 // quoted columns, comma between them
        std::vector<std::string> columns;  // quoted; empty: the table is read as one chunk
        std::vector<Literal> literals;
    };
    [[nodiscard]] static std::optional<Literal> literal_of(const std::string& type);

    Digester(std::unique_ptr<Connection> connection, std::vector<Name> names, std::string definitions_seen,
             std::set<std::string, std::less<>> default_collations, Done done);
    void run(const std::stop_token& stop);
    Result<std::vector<AuditedTable>> digest_all(const std::stop_token& stop);
    Status digest(const Name& name, AuditedTable& table, const std::stop_token& stop);
    Status digest_chunks(const std::string& source, const std::string& columns, const Key& key, AuditedTable& table,
                         const std::stop_token& stop);
    [[nodiscard]] Result<std::uint64_t> digest_chunk(const std::string& sql, AuditedTable& table,
                                                     const std::stop_token& stop);
    [[nodiscard]] std::string is_table(const Name& name, const std::string& of = {}) const;
    [[nodiscard]] Result<std::string> columns_of(const Name& name);
    [[nodiscard]] Result<Key> key_of(const Name& name);
    [[nodiscard]] static Key key_of_parts(std::span<const Connection::Row> parts);
    [[nodiscard]] std::string behind(const Key& key, const Connection::Row& last) const;

    std::unique_ptr<Connection> connection_;
    const std::vector<Name> names_;
    const std::string definitions_seen_;  // the server's count of statements that change definitions, at the cut
    const std::set<std::string, std::less<>> default_collations_;
    const Done done_;
    std::atomic<bool> ended_{false};
    std::jthread thread_;  // last: uses everything above
};

}  // namespace ddb::storage
