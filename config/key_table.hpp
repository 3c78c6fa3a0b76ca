// Every key a configuration may hold: its path, its reader, its default's place. Private to config/.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace ddb::config {

using Json = nlohmann::json;

// What the file and the overrides said that `Settings` does not keep.
struct Raw {
    Settings settings;
    std::string password_file;
    std::optional<std::uint16_t> gateway_port;
    std::optional<std::uint16_t> http_port;
};

struct KeyReader {
    const char* path;
    // Stores the value and returns nothing, or returns what was expected ("a number from 1 to 65535").
    std::optional<std::string> (*read)(Raw&, const Json&);
};

[[nodiscard]] const std::vector<KeyReader>& key_table();
[[nodiscard]] const KeyReader* find_key(const std::string& path);
// True for "node" when "node.id" is a key.
[[nodiscard]] bool is_section(const std::string& path);
// " (did you mean node.port?)" or nothing.
[[nodiscard]] std::string suggestion(const std::string& path);
// The value as an error message shows it: type in words and at most 60 characters.
[[nodiscard]] std::string describe(const Json& value);

// "host:port" with a port from 1 to 65535.
[[nodiscard]] bool is_host_and_port(const std::string& text);

}  // namespace ddb::config
