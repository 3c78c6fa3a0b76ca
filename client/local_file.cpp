#include "client/local_file.hpp"

#include <array>
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
    std::array<char, 1u << 16> piece;
    while (answer.content.size() <= statement_bytes_max) {
        file.read(piece.data(), piece.size());
        answer.content.append(piece.data(), static_cast<std::size_t>(file.gcount()));
        if (file.bad()) return refuse(errno != 0 ? std::strerror(errno) : "cannot be read");
        if (file.eof()) break;
    }
    if (answer.content.size() <= statement_bytes_max) return answer;
    answer.content.clear();
    answer.error = client_file_too_large();
    return answer;
}

}  // namespace ddb::client
