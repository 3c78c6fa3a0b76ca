#include "node/storage/offered_file.hpp"

#include <cstdio>

namespace ddb::storage {

void OfferedFile::attach(MYSQL* mysql) {
    mysql_set_local_infile_handler(mysql, begin, read, end, tell_error, this);
}

int OfferedFile::begin(void** state, const char* /*name*/, void* self) {
    *state = self;
    FileForServer* const content = static_cast<OfferedFile*>(self)->content_;
    return content != nullptr && content->begin() ? 0 : 1;
}

int OfferedFile::read(void* state, char* buffer, unsigned bytes) {
    return static_cast<int>(static_cast<OfferedFile*>(state)->content_->read({buffer, bytes}));
}

void OfferedFile::end(void* /*state*/) {}

// Only after begin() said no.
int OfferedFile::tell_error(void* /*state*/, char* text, unsigned bytes) {
    constexpr int local_infile_disabled = 4166;
    (void)std::snprintf(text, bytes, "The server asked for a file in a statement that names none, or twice");
    return local_infile_disabled;
}

}  // namespace ddb::storage
