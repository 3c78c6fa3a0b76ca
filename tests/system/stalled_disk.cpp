// Preloaded into a node, makes its journal's disk stand still: no sync of the node's own returns while the file
// $DDB_STALLED_DISK exists. The node's database server inherits the environment, and is let be.
#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace {

void wait_while_stalled() {
    constexpr int look_again_ms = 20;
    const char* file = std::getenv("DDB_STALLED_DISK");
    if (file == nullptr || std::string_view(program_invocation_short_name) != "ddb-node") return;
    while (::access(file, F_OK) == 0) ::poll(nullptr, 0, look_again_ms);
}

template <class Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int fdatasync(int file) {
    wait_while_stalled();
    static const auto original = next<int (*)(int)>("fdatasync");
    return original(file);
}

extern "C" int fsync(int file) {
    wait_while_stalled();
    static const auto original = next<int (*)(int)>("fsync");
    return original(file);
}
