#include "node/storage/private_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ddb::storage {
namespace {

void sync_dir(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)::fsync(fd);
    ::close(fd);
}

}  // namespace

Status make_private_dir(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path parent = fs::absolute(path, error).parent_path();
    fs::create_directories(parent, error);
    if (::mkdir(path.c_str(), 0700) == 0) {
        sync_dir(parent);
        return ok();
    }
    if (errno != EEXIST) return fail(ErrorCode::io, "cannot create directory " + path + ": " + std::strerror(errno));
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
        return fail(ErrorCode::io, path + " is in the way: not a directory");
    }
    if (info.st_uid != ::geteuid()) {
        return fail(ErrorCode::io, path + " belongs to user " + std::to_string(info.st_uid) + ", the node runs as " +
                                       std::to_string(::geteuid()) + "; change its owner or set node.data_dir");
    }
    if (::chmod(path.c_str(), 0700) != 0 || ::access(path.c_str(), W_OK | X_OK) != 0) {
        return fail(ErrorCode::io, "cannot write to " + path + ": " + std::strerror(errno));
    }
    return ok();
}

}  // namespace ddb::storage
