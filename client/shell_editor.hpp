// Line input on libedit: editing, history in a private file, completion. One at a time; used by one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ddb::client {

struct EditorHooks {
    std::function<void()> idle;  // called about once a second while waiting
    std::function<std::vector<std::string>(const std::string& prefix)> words;  // that may complete `prefix`
};

class ShellEditor {
  public:
    enum class Read : std::uint8_t { line, interrupted, end };

    ShellEditor(std::string history_file, EditorHooks hooks);
    ~ShellEditor();  // saves the history
    ShellEditor(const ShellEditor&) = delete;
    ShellEditor& operator=(const ShellEditor&) = delete;

    [[nodiscard]] Read read(const std::string& prompt, std::string& line);
    // Statements that may hold a password are not remembered.
    void remember(const std::string& entry);

    class Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

// False for statements that carry credentials.
[[nodiscard]] bool may_be_remembered(const std::string& sql);

}  // namespace ddb::client
