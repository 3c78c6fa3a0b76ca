#include "node/storage/server_check.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

namespace ddb::storage {
namespace {

using Kind = ServerProblem::Kind;
using Variables = std::map<std::string, std::string>;

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

enum class Flavour : std::uint8_t { both, mariadb, mysql };

// A variable that must have one value. `dynamic`: SET GLOBAL can change it.
struct Wanted {
    const char* name;
    const char* value;
    Flavour flavour;
    Kind kind;  // where it differs
    const char* why;
};

constexpr Wanted wanted_values[] = {
    {"log_bin", "ON", Flavour::both, Kind::fatal, "changes are captured from the binary log"},
    {"binlog_format", "ROW", Flavour::both, Kind::settable, "only row events are equal on every node"},
    {"event_scheduler", "OFF", Flavour::both, Kind::settable, "an event would run on every node"},
    {"log_bin_trust_function_creators", "ON", Flavour::both, Kind::settable,
     "it would refuse a function that another node has let be created"},
    {"lower_case_table_names", "0", Flavour::both, Kind::fatal,
     "names must mean the same on every node; it is fixed when the data directory is made"},
    {"innodb_default_row_format", "DYNAMIC", Flavour::both, Kind::settable,
     "a table that one node can have another would refuse"},
    {"innodb_file_per_table", "ON", Flavour::both, Kind::settable,
     "a table that one node can have another would refuse"},
    {"innodb_instant_alter_column_allowed", "ADD_DROP_REORDER", Flavour::mariadb, Kind::settable,
     "it would refuse an ALTER that another node has done"},
    {"innodb_read_only_compressed", "OFF", Flavour::mariadb, Kind::settable,
     "it would refuse rows that another node has taken"},
    {"log_bin_compress", "OFF", Flavour::mariadb, Kind::settable, "compressed events cannot be applied"},
    {"binlog_alter_two_phase", "OFF", Flavour::mariadb, Kind::settable, "split ALTER events cannot be applied"},
    {"gtid_strict_mode", "OFF", Flavour::mariadb, Kind::settable, "statement entries number their own groups"},
    {"innodb_snapshot_isolation", "ON", Flavour::mariadb, Kind::settable,
     "without it REPEATABLE READ permits lost updates"},
    {"innodb_alter_copy_bulk", "OFF", Flavour::mariadb, Kind::settable,
     "CREATE TABLE ... SELECT of a table that foreign keys name loses rows while others write"},
    {"innodb_force_primary_key", "ON", Flavour::mariadb, Kind::settable,
     "tables without a key are applied very slowly"},
    {"sql_require_primary_key", "ON", Flavour::mysql, Kind::settable, "tables without a key are applied very slowly"},
    {"xa_detach_on_prepare", "OFF", Flavour::mysql, Kind::settable,
     "temporary tables are refused in transactions otherwise"},
    {"binlog_transaction_compression", "OFF", Flavour::mysql, Kind::settable, "compressed events cannot be applied"},
    {"binlog_row_value_options", "", Flavour::mysql, Kind::settable, "partial JSON values cannot be applied"},
    {"gtid_mode", "ON", Flavour::mysql, Kind::fatal, "its GTID tells after a crash whether a statement ran"},
    {"enforce_gtid_consistency", "ON", Flavour::mysql, Kind::fatal, "gtid_mode=ON needs it"},
    {"binlog_encryption", "OFF", Flavour::mysql, Kind::note, "works, but every captured byte is decrypted again"},
    {"super_read_only", "OFF", Flavour::mysql, Kind::settable, "the node itself must be able to write"},
};

class Checker {
  public:
    Checker(Connection& connection, const ServerRequirements& requirements)
        : connection_(connection), requirements_(requirements) {}

    Result<ServerReport> run() {
        auto version = connection_.scalar("SELECT VERSION()");
        if (!version.ok()) return version.error();
        report_.version = version->value_or("");
        report_.mariadb = upper(report_.version).find("MARIADB") != std::string::npos;
        auto rows = connection_.rows("SHOW GLOBAL VARIABLES");
        if (!rows.ok()) return rows.error();
        for (auto& row : *rows) variables_[row.at(0).value_or("")] = row.at(1).value_or("");
        for (const Wanted& wanted : wanted_values) check_value(wanted);
        check_numbers();
        check_row_image();
        check_server_id();
        check_isolation();
        check_foreign_keys();
        check_engine();
        if (auto status = check_rights(); !status.ok()) return status.error();
        if (auto status = check_replica(); !status.ok()) return status.error();
        return std::move(report_);
    }

  private:
    void add(Kind kind, const std::string& what, const std::string& found, const std::string& expected,
             const std::string& remedy, const std::string& statement = {}) {
        report_.problems.push_back({kind, what, found, expected, remedy, statement});
    }

    std::optional<std::string> value(const std::string& name) const {
        const auto at = variables_.find(name);
        return at == variables_.end() ? std::nullopt : std::optional(at->second);
    }

    void check_value(const Wanted& wanted) {
        if (wanted.flavour == Flavour::mariadb && !report_.mariadb) return;
        if (wanted.flavour == Flavour::mysql && report_.mariadb) return;
        const std::string name = wanted.name;
        const std::string line = name + "=" + wanted.value;
        const std::string why = std::string(" (") + wanted.why + ")";
        const auto found = value(name);
        if (!found) {
            // An older server that does not know a protection still works; one without a danger needs no switch.
            if (std::string(wanted.value) == "ON") {
                add(Kind::note, name, "unknown to this server", wanted.value, "use a newer server" + why);
            }
            return;
        }
        const std::string given = upper(*found);
        const bool off = given == "OFF" || given == "DISABLED" || given == "0";
        if (given == wanted.value || (std::string(wanted.value) == "OFF" && off)) return;
        std::string statement;
        if (wanted.kind == Kind::settable) {
            statement = "SET GLOBAL " + name + "=" + (*wanted.value == '\0' ? "''" : wanted.value);
        }
        add(wanted.kind, name, *found, wanted.value,
            "add " + (name == "log_bin" ? std::string("log_bin=binlog") : line) +
                " to the [mysqld] section of the server's configuration" +
                (wanted.kind == Kind::fatal ? " and restart it" : "") + why,
            statement);
    }

    void at_least(const std::string& name, std::uint64_t minimum, Kind kind) {
        const auto found = value(name);
        if (!found || !is_number(*found) || std::strtoull(found->c_str(), nullptr, 10) >= minimum) return;
        const std::string line = name + "=" + std::to_string(minimum);
        add(kind, name, *found, "at least " + std::to_string(minimum), "add " + line + " to the server's configuration",
            kind == Kind::settable ? "SET GLOBAL " + line : "");
    }

    void at_most(const std::string& name, std::uint64_t maximum) {
        const auto found = value(name);
        if (!found || !is_number(*found) || std::strtoull(found->c_str(), nullptr, 10) <= maximum) return;
        const std::string line = name + "=" + std::to_string(maximum);
        add(Kind::settable, name, *found, "at most " + std::to_string(maximum),
            "add " + line + " to the server's configuration", "SET GLOBAL " + line);
    }

    void check_numbers() {
        constexpr std::uint64_t packet_bytes = 1u << 30;
        at_least("max_allowed_packet", packet_bytes, Kind::settable);
        at_least("max_connections", 600, Kind::note);
        at_most("max_binlog_cache_size", requirements_.transaction_bytes_max / 4096 * 4096);
        const auto lock_wait_s = static_cast<std::uint64_t>(std::max(1, requirements_.lock_wait_ms / 1000));
        at_most("innodb_lock_wait_timeout", lock_wait_s);
        at_most("lock_wait_timeout", lock_wait_s);
    }

    void check_row_image() {
        const auto found = value("binlog_row_image");
        if (!found || upper(*found) == "FULL") return;
        add(Kind::settable, "binlog_row_image", *found, "FULL",
            "add binlog_row_image=FULL to the server's configuration (without it a REPLACE that leaves out columns is "
            "not the same everywhere)",
            "SET GLOBAL binlog_row_image=FULL");
    }

    void check_server_id() {
        const std::string found = value("server_id").value_or("0");
        const auto id = static_cast<std::uint32_t>(std::strtoul(found.c_str(), nullptr, 10));
        const auto& others = requirements_.other_server_ids;
        const bool taken = std::find(others.begin(), others.end(), id) != others.end();
        if (id != 0 && !taken) return;
        add(Kind::fatal, "server_id", found, taken ? "a number no other server of the cluster has" : "not 0",
            "set server_id to the node's id in the server's configuration and restart it");
    }

    void check_isolation() {
        if (report_.mariadb) return;
        add(Kind::note, "isolation", "MySQL", "MariaDB with innodb_snapshot_isolation",
            "REPEATABLE READ permits lost updates on MySQL as on a single server; use SELECT … FOR UPDATE");
    }

    // Older servers have no other way than this one.
    void check_foreign_keys() {
        const auto found = value("innodb_native_foreign_keys");
        if (!found || upper(*found) == "ON") return;
        add(Kind::fatal, "innodb_native_foreign_keys", *found, "ON",
            "add innodb_native_foreign_keys=ON to the server's configuration and restart it (cascades would differ)");
    }

    void check_engine() {
        const auto found = value("default_storage_engine");
        if (!found || upper(*found) == "INNODB") return;
        add(Kind::settable, "default_storage_engine", *found, "InnoDB",
            "add default_storage_engine=InnoDB to the server's configuration",
            "SET GLOBAL default_storage_engine=InnoDB");
    }

    // The service account runs everything: users' statements are run by their own connections, but applying rows,
    // DDL of others, KILL, read_only and the metadata are its work. So it needs all, and may hand on what it has.
    Status check_rights() {
        auto grants = connection_.rows("SHOW GRANTS FOR CURRENT_USER()");
        if (!grants.ok()) return grants.error();
        auto who = connection_.scalar("SELECT CURRENT_USER()");
        if (!who.ok()) return who.error();
        bool all = false, hands_on = false;
        std::set<std::string> global;
        for (const auto& row : *grants) {
            const std::string text = upper(row.at(0).value_or(""));
            const auto on = text.find(" ON *.*");
            if (text.rfind("GRANT ", 0) != 0 || on == std::string::npos) continue;
            std::string list = text.substr(6, on - 6);
            all = all || list.rfind("ALL PRIVILEGES", 0) == 0;
            hands_on = hands_on || text.find("WITH GRANT OPTION") != std::string::npos;
            for (std::size_t at = 0; at < list.size();) {
                const std::size_t end = std::min(list.find(", ", at), list.size());
                global.insert(list.substr(at, end - at));
                at = end + 2;
            }
        }
        // MySQL lists every right by name instead of ALL PRIVILEGES.
        if (!report_.mariadb && global.contains("SUPER") && global.contains("SELECT") &&
            global.contains("CREATE USER") && global.contains("REPLICATION_APPLIER") &&
            global.contains("SESSION_VARIABLES_ADMIN")) {
            all = true;
        }
        if (all && hands_on) return ok();
        add(Kind::fatal, "rights of " + who->value_or("?"), all ? "all, without GRANT OPTION" : "too few",
            "ALL PRIVILEGES WITH GRANT OPTION",
            "as root: GRANT ALL PRIVILEGES ON *.* TO that account WITH GRANT OPTION");
        return ok();
    }

    // A server that replicates from somewhere else has writes no log of ours knows.
    Status check_replica() {
        auto rows = connection_.rows(report_.mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS");
        if (!rows.ok()) {
            if (rows.error().code == ErrorCode::sql) return ok();  // no right to look: reported above
            return rows.error();
        }
        if (rows->empty()) return ok();
        add(Kind::fatal, "replication", "the server is a replica of another one", "none",
            "stop it and remove it: STOP SLAVE; RESET SLAVE ALL");
        return ok();
    }

    Connection& connection_;
    const ServerRequirements& requirements_;
    Variables variables_;
    ServerReport report_;
};

}  // namespace

std::string to_string(const ServerProblem& problem) {
    return problem.what + " is " + problem.found + ", expected " + problem.expected + ": " + problem.remedy;
}

bool ServerReport::fit() const {
    return std::none_of(problems.begin(), problems.end(), [](const auto& p) { return p.kind == Kind::fatal; });
}

std::string ServerReport::fatal_text() const {
    std::string out;
    for (const auto& problem : problems) {
        if (problem.kind == Kind::fatal) out += (out.empty() ? "" : "\n") + to_string(problem);
    }
    return out;
}

Result<ServerReport> check_server(Connection& connection, const ServerRequirements& requirements) {
    return Checker(connection, requirements).run();
}

Status apply_settings(Connection& connection, const ServerReport& report) {
    for (const auto& problem : report.problems) {
        if (problem.kind != Kind::settable) continue;
        auto done = connection.execute(problem.statement);
        if (done.ok()) continue;
        Error error = done.error();
        error.message = to_string(problem) + " (" + problem.statement + " failed: " + error.message + ")";
        return error;
    }
    return ok();
}

}  // namespace ddb::storage
