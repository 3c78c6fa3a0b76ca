#include "config/settings.hpp"

#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "config/key_table.hpp"

namespace ddb::config {

namespace {

constexpr std::size_t file_bytes_max = 1u << 20;
constexpr std::size_t password_bytes_max = 4096;

using Values = std::map<std::string, Json>;  // flat: "node.id" -> 1

[[nodiscard]] Error wrong(const std::string& message) {
    return fail(ErrorCode::invalid_argument, message);
}

[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return wrong(path + ": " + std::generic_category().message(errno));
    // A device or pipe may never end.
    if (!S_ISREG(info.st_mode)) return wrong(path + ": not a regular file");
    std::ifstream in(path, std::ios::binary);
    if (!in) return wrong(path + ": cannot be read: " + std::generic_category().message(errno));
    std::string text(bytes_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max) return wrong(path + ": longer than " + std::to_string(bytes_max) + " bytes");
    return text;
}

// Replaces ${NAME}; "$${" stands for a literal "${".
[[nodiscard]] Result<std::string> substitute(const std::string& key, const std::string& text) {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        if (text.compare(at, 3, "$${") == 0) {
            out += "${";
            at += 3;
            continue;
        }
        if (text.compare(at, 2, "${") != 0) {
            out += text[at++];
            continue;
        }
        const std::size_t end = text.find('}', at);
        if (end == std::string::npos) return wrong(key + ": found \"${\" without \"}\", expected ${NAME}");
        const std::string name = text.substr(at + 2, end - at - 2);
        const char* value = std::getenv(name.c_str());
        if (value == nullptr) return wrong(key + ": the environment variable " + name + " is not set");
        out += value;
        at = end + 1;
    }
    return out;
}

[[nodiscard]] Status substitute_strings(const std::string& key, Json& value) {
    if (value.is_array()) {
        for (Json& item : value) {
            if (auto done = substitute_strings(key, item); !done) return done;
            if (item.is_array()) return ok();  // no key takes lists of lists; its reader says so
        }
    } else if (value.is_string()) {
        auto text = substitute(key, value.get<std::string>());
        if (!text) return text.error();
        value = std::move(text).value();
    }
    return ok();
}

[[nodiscard]] Error unknown_key(const std::string& path, const Json& value) {
    return wrong(path + ": unknown key" + suggestion(path) + "; found " + describe(value));
}

[[nodiscard]] Status flatten(const Json& document, Values& values) {
    if (!document.is_object()) return wrong("found " + describe(document) + ", expected an object with sections");
    for (const auto& [section, body] : document.items()) {
        if (!is_section(section)) return unknown_key(section, body);
        if (!body.is_object()) return wrong(section + ": found " + describe(body) + ", expected an object");
        for (const auto& [name, value] : body.items()) {
            std::string path = section;
            path += '.';
            path += name;
            if (find_key(path) == nullptr) return unknown_key(path, value);
            values[path] = value;
        }
    }
    return ok();
}

[[nodiscard]] Status add_overrides(const std::vector<std::string>& overrides, Values& values) {
    for (const std::string& text : overrides) {
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos) return wrong("--set " + text + ": expected key=value");
        const std::string path = text.substr(0, equals);
        const std::string value = text.substr(equals + 1);
        Json parsed = Json::parse(value, nullptr, false);
        if (parsed.is_discarded()) parsed = value;
        const KeyReader* key = find_key(path);
        if (key == nullptr) {
            if (is_section(path)) return wrong("--set " + path + ": this is a section, expected one of its keys");
            return unknown_key(path, parsed);
        }
        // "--set cluster.name=2" means the text 2: numbers that no number key takes are tried as text.
        Raw scratch;
        if (!parsed.is_string() && key->read(scratch, parsed) && !key->read(scratch, Json(value))) parsed = value;
        values[path] = parsed;
    }
    return ok();
}

[[nodiscard]] Status check_ports(const Settings& s) {
    struct Port {
        std::string key;
        unsigned number;
    };
    const std::array<Port, 5> ports = {{
        {"node.port", s.node.port},
        {"node.port + 1 (publisher)", s.node.port + 1U},
        {"gateway.port", s.gateway_port},
        {"http.port", s.http_port},
        {"mysql.port", s.mysql.managed ? s.mysql.port : 0U},
    }};
    for (std::size_t i = 0; i < ports.size(); ++i) {
        for (std::size_t j = i + 1; j < ports.size(); ++j) {
            if (ports[i].number != 0 && ports[i].number == ports[j].number) {
                return wrong(ports[j].key + ": found " + std::to_string(ports[j].number) +
                             ", expected a port other than that of " + ports[i].key);
            }
        }
    }
    return ok();
}

// Whether they hold what they should, OpenSSL tells when the node starts.
[[nodiscard]] Status check_tls(const Settings::GatewayTls& tls) {
    if (tls.cert.empty() != tls.key.empty()) {
        const std::string missing = tls.cert.empty() ? "gateway.tls_cert" : "gateway.tls_key";
        const std::string there = tls.cert.empty() ? "gateway.tls_key" : "gateway.tls_cert";
        return wrong(missing + ": missing, expected the path of a PEM file as " + there + " is set");
    }
    constexpr std::size_t pem_bytes_max = 1u << 20;
    for (const auto& [key, path] : {std::pair("gateway.tls_cert", tls.cert), std::pair("gateway.tls_key", tls.key)}) {
        if (path.empty()) continue;
        if (auto text = read_file(path, pem_bytes_max); !text) {
            return wrong(std::string(key) + ": found " + text.error().message + ", expected a readable PEM file");
        }
    }
    return ok();
}

// What is possible key by key but not together.
[[nodiscard]] Status check_together(const Settings& s) {
    if (!s.node.id) return wrong("node.id: missing, expected a whole number from 1 to 65535, different on every host");
    if (s.timing.heartbeat_ms * 2 >= s.timing.election_ms) {
        return wrong("timing.heartbeat_ms: found " + std::to_string(s.timing.heartbeat_ms) +
                     ", expected less than half of timing.election_ms (" + std::to_string(s.timing.election_ms) + ")");
    }
    if (!s.discovery.beacon && s.discovery.peers.empty() && s.cluster.expect > 1) {
        return wrong(
            "discovery.peers: empty, expected at least one \"host:port\" as discovery.beacon is false and "
            "cluster.expect is " +
            std::to_string(s.cluster.expect));
    }
    if (auto done = check_tls(s.gateway_tls); !done) return done;
    return check_ports(s);
}

// Relative to the configuration file, so that a node can be started from anywhere.
void resolve(const std::filesystem::path& base, std::string& path) {
    if (!path.empty()) path = (base / path).lexically_normal().string();
}

[[nodiscard]] Status fill_defaults(Raw& raw, const std::filesystem::path& base) {
    Settings& s = raw.settings;
    s.gateway_port = raw.gateway_port.value_or(static_cast<std::uint16_t>(s.node.port + 2));
    s.http_port = raw.http_port.value_or(static_cast<std::uint16_t>(s.node.port + 3));
    if (!s.mysql.managed && s.mysql.port == 0 && s.mysql.socket.empty()) s.mysql.port = 3306;
    if (s.cluster.key_dir.empty()) s.cluster.key_dir = "keys";
    if (s.node.data_dir.empty()) s.node.data_dir = "data/node-" + to_string(s.node.id);
    for (std::string* path : {&s.cluster.key_dir, &s.node.data_dir, &s.mysql.socket, &s.log.file, &raw.password_file,
                              &s.gateway_socket, &s.gateway_tls.cert, &s.gateway_tls.key}) {
        resolve(base, *path);
    }
    // A program name without a slash is looked up in the path, as a shell does.
    if (s.mysql.server.find('/') != std::string::npos) resolve(base, s.mysql.server);
    if (!raw.password_file.empty()) {
        auto password = read_file(raw.password_file, password_bytes_max);
        if (!password) return wrong("mysql.password_file: " + password.error().message);
        s.mysql.password = std::move(password).value();
        while (!s.mysql.password.empty() && (s.mysql.password.back() == '\n' || s.mysql.password.back() == '\r')) {
            s.mysql.password.pop_back();
        }
    }
    return ok();
}

[[nodiscard]] Result<Settings> build(const Json& document, const std::string& base_dir,
                                     const std::vector<std::string>& overrides) {
    Values values;
    if (auto done = flatten(document, values); !done) return done.error();
    if (auto done = add_overrides(overrides, values); !done) return done.error();
    Raw raw;
    for (auto& [path, value] : values) {
        if (auto done = substitute_strings(path, value); !done) return done.error();
        if (const auto expected = find_key(path)->read(raw, value)) {
            return wrong(path + ": found " + describe(value) + ", expected " + *expected);
        }
    }
    if (auto done = fill_defaults(raw, base_dir); !done) return done.error();
    if (auto done = check_together(raw.settings); !done) return done.error();
    return std::move(raw.settings);
}

}  // namespace

Result<Settings> parse_settings(const std::string& text, const std::string& base_dir,
                                const std::vector<std::string>& overrides) {
    try {
        // A key given twice would silently lose one of its values.
        std::vector<std::set<std::string>> open_objects;
        std::string twice;
        const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
            if (event == Json::parse_event_t::object_start) {
                open_objects.emplace_back();
            } else if (event == Json::parse_event_t::object_end && !open_objects.empty()) {
                open_objects.pop_back();
            } else if (event == Json::parse_event_t::key && !open_objects.empty()) {
                auto key = parsed.get<std::string>();
                if (!open_objects.back().insert(key).second && twice.empty()) twice = std::move(key);
            }
            return true;
        };
        const Json document = Json::parse(text, watch, true, true);
        if (!twice.empty()) return wrong(twice + ": found twice in one object, expected once");
        return build(document, base_dir, overrides);
    } catch (const Json::exception& e) {
        const std::string what = e.what();
        const std::size_t words = what.find("] ");  // behind the library's own error number
        return wrong("not valid JSON: " + (words == std::string::npos ? what : what.substr(words + 2)));
    } catch (const std::filesystem::filesystem_error& e) {
        return wrong(e.what());
    }
}

Result<Settings> load_settings(const std::string& file, const std::vector<std::string>& overrides) {
    auto text = read_file(file, file_bytes_max);
    if (!text) return text.error();
    std::error_code ignored;
    const auto absolute = std::filesystem::absolute(file, ignored);
    auto settings = parse_settings(*text, absolute.parent_path().string(), overrides);
    if (!settings) return wrong(file + ": " + settings.error().message);
    return settings;
}

std::string effective_json(const Settings& s) {
    const nlohmann::ordered_json document = {
        {"cluster", {{"name", s.cluster.name}, {"expect", s.cluster.expect}, {"key_dir", s.cluster.key_dir}}},
        {"node",
         {{"id", s.node.id.value}, {"address", s.node.address}, {"port", s.node.port}, {"data_dir", s.node.data_dir}}},
        {"discovery",
         {{"beacon", s.discovery.beacon},
          {"port", s.discovery.port},
          {"multicast", s.discovery.multicast},
          {"peers", s.discovery.peers}}},
        {"mysql",
         {{"mode", s.mysql.managed ? "managed" : "external"},
          {"host", s.mysql.host},
          {"port", s.mysql.port},
          {"socket", s.mysql.socket},
          {"user", s.mysql.user},
          {"server", s.mysql.server}}},
        {"timing",
         {{"heartbeat_ms", s.timing.heartbeat_ms},
          {"election_ms", s.timing.election_ms},
          {"transaction_ms", s.timing.transaction_ms},
          {"lock_wait_ms", s.timing.lock_wait_ms}}},
        {"security", {{"insecure", s.security.insecure}, {"checksum", s.security.checksum}}},
        {"journal", {{"kept_entries", s.journal.kept_entries}, {"kept_entries_hard", s.journal.kept_entries_hard}}},
        {"limits", {{"transaction_mb", s.limits.transaction_mb}}},
        {"election", {{"take_over", s.election.take_over}, {"stable_ms", s.election.stable_ms}}},
        {"reads", {{"balance", to_string(s.reads.balance)}}},
        {"audit", {{"interval_s", s.audit.interval_s}}},
        {"debug", {{"failpoint", s.debug.failpoint}, {"demand_keys", s.debug.demand_keys}}},
        {"gateway",
         {{"port", s.gateway_port},
          {"socket", s.gateway_socket},
          {"tls_cert", s.gateway_tls.cert},
          {"tls_key", s.gateway_tls.key},
          {"tls_required", s.gateway_tls.required}}},
        {"http", {{"port", s.http_port}}},
        {"log", {{"level", s.log.level}, {"file", s.log.file}}},
    };
    return document.dump(4, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ddb::config
