#include "client/local_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace ddb::client {
namespace {

[[nodiscard]] std::string last_error(const char* otherwise) {
    return errno != 0 ? std::strerror(errno) : otherwise;
}

}  // namespace

FileContent LocalFile::answer(const FileWanted& wanted, const std::string& sql) {
    FileContent answer{wanted.session, wanted.request, std::nullopt, {}, wanted.offset, false};
    std::string why = wanted.offset == 0 ? open(wanted.name, sql) : std::string();
    if (why.empty() && wanted.offset != at_) why = "cannot be read again from its middle";
    if (why.empty()) why = read(answer, wanted.in_pieces ? file_piece_bytes : statement_bytes_max);
    if (!why.empty()) {
        answer.error = Error{ErrorCode::invalid_argument, "file '" + name_ + "': " + why, 2, "HY000"};
    } else if (answer.more && !wanted.in_pieces) {
        answer.error = client_file_too_large();
    }
    if (!answer.error) return answer;
    answer.content.clear();
    answer.more = false;
    return answer;
}

std::string LocalFile::open(const std::string& name, const std::string& sql) {
    name_ = name;
    at_ = 0;
    if (sql.find(name) == std::string::npos) return "not sent, as the statement does not name it in just these letters";
    errno = 0;
    file_ = std::ifstream(name, std::ios::binary);
    return file_ ? std::string() : last_error("cannot be opened");
}

std::string LocalFile::read(FileContent& answer, std::size_t bytes_max) {
    std::array<char, 1u << 16> block;
    errno = 0;
    while (answer.content.size() < bytes_max && !file_.eof()) {
        const std::size_t room = std::min(block.size(), bytes_max - answer.content.size());
        file_.read(block.data(), static_cast<std::streamsize>(room));
        answer.content.append(block.data(), static_cast<std::size_t>(file_.gcount()));
        if (file_.bad()) return last_error("cannot be read");
    }
    at_ += answer.content.size();
    answer.more = !file_.eof() && file_.peek() != std::ifstream::traits_type::eof();
    return file_.bad() ? last_error("cannot be read") : std::string();
}

}  // namespace ddb::client
