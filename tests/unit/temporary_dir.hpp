// A directory of one test's own, which goes away with it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace ddb::test {

class TemporaryDir {
  public:
    TemporaryDir() : path_("/tmp/ddb-test." + std::string(pattern_digits, 'X')) {
        if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp");
    }
    ~TemporaryDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDir(const TemporaryDir&) = delete;
    TemporaryDir& operator=(const TemporaryDir&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    static constexpr std::size_t pattern_digits = 6;  // mkdtemp(3) puts others in their place
    std::string path_;
};

}  // namespace ddb::test
