#include "client/local_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

namespace ddb::client {

FileContent file_for(const FileWanted& wanted, const std::string& sql) {
    FileContent answer{wanted.session, wanted.request, std::nullopt, {}};
    const auto refuse = [&](const std::string& why) {
        answer.content.clear();
        answer.error = Error{ErrorCode::invalid_argument, "file '" + wanted.name + "': " + why, 2, "HY000"};
        return answer;
    };
    if (sql.find(wanted.name) == std::string::npos)
        return refuse("not sent, as the statement does not name it in just these letters");
    errno = 0;
    std::ifstream file(wanted.name, std::ios::binary);
    if (!file) return refuse(std::strerror(errno));
    answer.content.resize(statement_bytes_max + 1);
    file.read(answer.content.data(), static_cast<std::streamsize>(answer.content.size()));
    if (file.bad() || (file.fail() && !file.eof())) return refuse(errno != 0 ? std::strerror(errno) : "cannot be read");
    const auto bytes = static_cast<std::size_t>(file.gcount());
    answer.content.resize(bytes);
    if (bytes <= statement_bytes_max) return answer;
    answer.content.clear();
    answer.error = client_file_too_large();
    return answer;
}

}  // namespace ddb::client
