#include "node/storage/offered_file.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ddb::storage {

void OfferedFile::attach(MYSQL* mysql) {
    mysql_set_local_infile_handler(mysql, begin, read, end, tell_error, this);
}

int OfferedFile::begin(void** state, const char* /*name*/, void* self) {
    *state = self;
    return static_cast<OfferedFile*>(self)->content_ ? 0 : 1;
}

int OfferedFile::read(void* state, char* buffer, unsigned bytes) {
    std::string_view& left = *static_cast<OfferedFile*>(state)->content_;
    const std::size_t count = std::min<std::size_t>(bytes, left.size());
    std::memcpy(buffer, left.data(), count);
    left.remove_prefix(count);
    return static_cast<int>(count);
}

void OfferedFile::end(void* /*state*/) {}

// Only after begin() said no.
int OfferedFile::tell_error(void* /*state*/, char* text, unsigned bytes) {
    constexpr int local_infile_disabled = 4166;
    (void)std::snprintf(text, bytes, "The server asked for a file in a statement that names none");
    return local_infile_disabled;
}

}  // namespace ddb::storage
