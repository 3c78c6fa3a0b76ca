#include "client/verbs.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/signals.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* clear_screen = "\x1b[H\x1b[2J";
constexpr int watch_pause_ms = 1000;

std::string cell_text(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_table(const json& value) {
    return value.is_array() && !value.empty() &&
           std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_object(); });
}

// What a person looks for first; anything else follows in the document's order.
std::size_t rank(const std::string& name) {
    static constexpr std::array<std::string_view, 22> first{
        "healthy", "reason",  "txn",   "fate",        "index",       "id",     "cluster", "address",
        "port",    "role",    "state", "serving",     "coordinator", "epoch",  "last",    "decided",
        "durable", "applied", "lag",   "waiting_for", "fenced",      "version"};
    return static_cast<std::size_t>(std::find(first.begin(), first.end(), name) - first.begin());
}

bool looked_for_earlier(const std::string& a, const std::string& b) {
    return rank(a) < rank(b);
}

std::vector<std::string> columns_of(const json& list) {
    std::vector<std::string> names;
    for (const json& element : list) {
        for (const auto& [key, value] : element.items()) {
            if (std::find(names.begin(), names.end(), key) == names.end()) names.push_back(key);
        }
    }
    std::stable_sort(names.begin(), names.end(), looked_for_earlier);
    return names;
}

Column column_of(const std::string& name, bool number) {
    constexpr std::uint8_t type_longlong = 8;
    constexpr std::uint8_t type_var_string = 253;
    Column column;
    column.name = name;
    column.type = number ? type_longlong : type_var_string;
    column.charset = 45;
    return column;
}

void render_rows(const std::vector<Column>& columns, const std::vector<std::vector<std::optional<std::string>>>& rows,
                 const FormatSettings& settings, Sink& sink) {
    const auto formatter = make_formatter(settings, sink);
    formatter->header(columns);
    for (const auto& cells : rows) {
        Row row;
        for (const auto& cell : cells) row.push_back(cell ? Cell(*cell) : Cell());
        formatter->row(row);
    }
    formatter->end({});
}

// Of a state transfer, for people; programs get the number.
std::string percent_bar(const json& percent) {
    constexpr std::uint64_t width = 20;
    const std::uint64_t value = std::min<std::uint64_t>(100, percent.get<std::uint64_t>());
    const std::uint64_t filled = value * width / 100;
    return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " + std::to_string(value) + " %";
}

void render_list(const json& list, const FormatSettings& settings, Sink& sink) {
    std::vector<Column> columns;
    for (const std::string& name : columns_of(list)) {
        const bool number = std::all_of(list.begin(), list.end(), [&](const json& element) {
            return !element.contains(name) || element[name].is_number() || element[name].is_null();
        });
        columns.push_back(column_of(name, number));
    }
    std::vector<std::vector<std::optional<std::string>>> rows;
    for (const json& element : list) {
        auto& row = rows.emplace_back();
        for (const Column& column : columns) {
            const bool present = element.contains(column.name) && !element[column.name].is_null();
            if (present && settings.format == Format::table && column.name == "percent" &&
                element[column.name].is_number_unsigned()) {
                row.emplace_back(percent_bar(element[column.name]));
                continue;
            }
            row.push_back(present ? std::optional(cell_text(element[column.name])) : std::nullopt);
        }
    }
    render_rows(columns, rows, settings, sink);
}

void render_object(const json& object, const FormatSettings& settings, Sink& sink) {
    std::vector<std::vector<std::optional<std::string>>> rows;
    json plain = json::object();
    for (const auto& [key, value] : object.items()) {
        if (is_table(value)) continue;
        plain[key] = value;
        rows.push_back({key, value.is_null() ? std::nullopt : std::optional(cell_text(value))});
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return looked_for_earlier(*a[0], *b[0]); });
    // One record is easier to read upright than as a list of names and values.
    if (settings.format == Format::vertical) {
        render_list(json::array({plain}), settings, sink);
    } else if (!rows.empty()) {
        render_rows({column_of("name", false), column_of("value", false)}, rows, settings, sink);
    }
}

bool says(const std::string& json_text, const char* name) {
    const json document = json::parse(json_text, nullptr, false);
    return document.is_object() && document.contains(name) && document[name].is_boolean() && document[name].get<bool>();
}

}  // namespace

Result<std::unique_ptr<bus::RequestClient>> open_client(const Target& target) {
    bus::RequestClientOptions options;
    options.cluster = target.cluster;
    options.nodes = target.nodes;
    options.keys = target.keys ? &*target.keys : nullptr;
    return bus::RequestClient::open(options);
}

Error explain_connect_error(const Error& error, const Target& target) {
    Error out = error;
    const std::string key = target.keys ? "client key " + target.key_file : "no key (--insecure)";
    if (error.code == ErrorCode::refused) {
        out.message = "refused with " + key + ": " + error.message + "; is it the key of this cluster?";
    } else {
        out.message = "cannot connect with " + key + ": " + error.message;
    }
    return out;
}

Status render_document(const std::string& json_text, const FormatSettings& settings, Sink& sink) {
    const json document = json::parse(json_text, nullptr, false);
    if (document.is_discarded()) return fail(ErrorCode::corrupt, "the node's answer is no JSON document");
    const auto line = [&](const json& value) {
        sink.write(value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
    };
    if (settings.format == Format::json) {
        line(document);
        return ok();
    }
    json lists = json::array();
    if (is_table(document)) lists.push_back(document);
    const bool only_list =
        document.is_object() && is_table(document.value("nodes", json())) && !document.contains("healthy");
    if (document.is_object()) {
        for (const auto& [key, value] : document.items()) {
            if (is_table(value)) lists.push_back(value);
        }
    }
    if (settings.format == Format::ndjson) {
        if (!document.is_array() && !only_list) {
            line(document);
            return ok();
        }
        for (const json& element : lists[0]) line(element);
        return ok();
    }
    // The list of nodes is what `nodes` is asked for; who saw it belongs to the document, not to the table.
    if (document.is_object() && !only_list) render_object(document, settings, sink);
    if (!document.is_object() && lists.empty()) sink.write(cell_text(document) + "\n");
    for (const json& list : lists) render_list(list, settings, sink);
    return ok();
}

namespace {

// Where a name was given, the address it stands for, too: nodes tell each other numbers.
std::vector<std::string> spellings(const std::string& given) {
    std::vector<std::string> all{given};
    const auto colon = given.rfind(':');
    if (colon == std::string::npos) return all;
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(given.substr(0, colon).c_str(), nullptr, &hints, &found) != 0) return all;
    char text[INET_ADDRSTRLEN] = {};
    const auto* in = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
    if (::inet_ntop(AF_INET, &in->sin_addr, text, sizeof text) != nullptr) {
        const std::string number = text + given.substr(colon);
        if (number != given) all.push_back(number);
    }
    ::freeaddrinfo(found);
    return all;
}

Exit ask_once(bus::RequestClient& client, const Options& options, const FormatSettings& settings, Sink& sink,
              const std::function<void(const std::string&)>& complain) {
    std::vector<std::string> arguments = options.verb_arguments;
    if (options.verb == "add") arguments = spellings(arguments[0]);
    const bool changes =
        options.verb == "add" || options.verb == "remove" || options.verb == "step-down" || options.verb == "audit";
    const auto reply = client.verb(options.verb, arguments, static_cast<int>(options.timeout_ms), changes);
    if (!reply) {
        complain("ERROR: " + options.verb + ": " + reply.error().message);
        return reply.error().code == ErrorCode::invalid_argument ? Exit::usage : exit_status(reply.error());
    }
    const Status rendered = render_document(*reply, settings, sink);
    sink.flush();
    if (!rendered || sink.failure() != 0) {
        complain("ERROR: " + (rendered ? std::string("cannot write the result") : rendered.error().message));
        return Exit::sql_error;
    }
    if (options.verb == "audit" && !says(*reply, "equal")) return Exit::sql_error;
    return options.verb == "health" && !says(*reply, "healthy") ? Exit::nothing_happened : Exit::done;
}

// Ends early at an interrupt.
void pause(int ms) {
    for (int waited = 0; waited < ms && interrupts_seen() == 0; waited += 100) (void)::poll(nullptr, 0, 100);
}

}  // namespace

Exit run_verb(const Options& options, const Target& target, const FormatSettings& settings, Sink& sink,
              const std::function<void(const std::string&)>& complain) {
    auto client = open_client(target);
    const Status connected = client ? (*client)->connect(static_cast<int>(options.timeout_ms)) : Status(client.error());
    if (!connected) {
        complain("ERROR: " + explain_connect_error(connected.error(), target).message);
        return Exit::cannot_connect;
    }
    if (!options.watch) return ask_once(**client, options, settings, sink, complain);
    while (interrupts_seen() == 0) {
        if (settings.format == Format::table) sink.write(clear_screen);
        // Nodes come and go while somebody looks on.
        (void)ask_once(**client, options, settings, sink, complain);
        if (sink.failure() != 0) return Exit::sql_error;
        pause(watch_pause_ms);
    }
    return Exit::interrupted;
}

}  // namespace ddb::client
