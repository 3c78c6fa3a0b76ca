#include "client/shell_editor.hpp"

#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "client/signals.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

constexpr int history_entries_max = 1000;
constexpr std::size_t history_entry_bytes_max = 16u << 10;
constexpr int idle_poll_ms = 1000;
constexpr std::size_t completions_shown_max = 200;

bool is_name(char c) {
    return c == '_' || c == '$' || c == '.' || (c & 0x80) != 0 || std::isalnum(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

class ShellEditor::Impl {
  public:
    Impl(std::string history_file, EditorHooks hooks) : file_(std::move(history_file)), hooks_(std::move(hooks)) {
        edit_ = ::el_init("ddb-cli", stdin, stdout, stderr);
        history_ = ::history_init();
        HistEvent event;
        (void)::history(history_, &event, H_SETSIZE, history_entries_max);
        (void)::history(history_, &event, H_SETUNIQUE, 1);
        if (!file_.empty()) (void)::history(history_, &event, H_LOAD, file_.c_str());
        (void)::el_set(edit_, EL_CLIENTDATA, this);
        (void)::el_set(edit_, EL_PROMPT, &Impl::prompt);
        (void)::el_set(edit_, EL_EDITOR, "emacs");
        (void)::el_set(edit_, EL_SIGNAL, 0);
        (void)::el_set(edit_, EL_HIST, ::history, history_);
        (void)::el_set(edit_, EL_GETCFN, &Impl::get_character);
        (void)::el_set(edit_, EL_ADDFN, "ddb-complete", "Complete a word", &Impl::complete);
        (void)::el_set(edit_, EL_BIND, "^I", "ddb-complete", nullptr);
        (void)::el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
        (void)::el_source(edit_, nullptr);
    }

    ~Impl() {
        save();
        ::history_end(history_);
        ::el_end(edit_);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Read read(const std::string& prompt, std::string& line) {
        prompt_ = prompt;
        interrupted_ = false;
        int count = 0;
        const char* text = ::el_gets(edit_, &count);
        if (interrupted_) {
            ::el_reset(edit_);
            (void)std::fputs("^C\n", stdout);
            (void)std::fflush(stdout);
            return Read::interrupted;
        }
        if (text == nullptr || count <= 0) return Read::end;
        line.assign(text, static_cast<std::size_t>(count));
        return Read::line;
    }

    void remember(const std::string& entry) {
        if (entry.empty() || entry.size() > history_entry_bytes_max || !may_be_remembered(entry)) return;
        HistEvent event;
        (void)::history(history_, &event, H_ENTER, entry.c_str());
    }

  private:
    static Impl& self(EditLine* edit) {
        void* data = nullptr;
        (void)::el_get(edit, EL_CLIENTDATA, &data);
        return *static_cast<Impl*>(data);
    }

    static char* prompt(EditLine* edit) { return self(edit).prompt_.data(); }

    // One character, decoded here because waiting for it must not stop the rest of the client.
    static int get_character(EditLine* edit, wchar_t* out) {
        Impl& me = self(edit);
        std::string bytes;
        for (;;) {
            pollfd input{STDIN_FILENO, POLLIN, 0};
            const int ready = ::poll(&input, 1, idle_poll_ms);
            if (interrupts_seen() > 0) {
                forget_interrupts();
                me.interrupted_ = true;
                return 0;
            }
            if (ready < 0 && errno != EINTR) return -1;
            if (ready <= 0) {
                if (me.hooks_.idle) me.hooks_.idle();
                continue;
            }
            char byte = 0;
            const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
            if (got == 0) return 0;
            if (got < 0) {
                if (errno == EINTR || errno == EAGAIN) continue;
                return -1;
            }
            bytes += byte;
            std::mbstate_t state{};
            const std::size_t length = std::mbrtowc(out, bytes.data(), bytes.size(), &state);
            if (length == static_cast<std::size_t>(-2) && bytes.size() < 4) continue;  // needs more bytes
            if (length == static_cast<std::size_t>(-1) || length == static_cast<std::size_t>(-2)) *out = L'?';
            return 1;
        }
    }

    static unsigned char complete(EditLine* edit, int) {
        Impl& me = self(edit);
        const LineInfo* info = ::el_line(edit);
        const char* start = info->cursor;
        while (start > info->buffer && is_name(start[-1])) --start;
        const std::string prefix(start, info->cursor);
        if (prefix.empty() || !me.hooks_.words) return CC_ERROR;
        std::vector<std::string> matches = me.hooks_.words(prefix);
        if (matches.empty()) return CC_ERROR;
        std::sort(matches.begin(), matches.end());
        matches.erase(std::unique(matches.begin(), matches.end()), matches.end());
        std::string common = matches[0];
        for (const std::string& match : matches) {
            std::size_t same = 0;
            while (same < common.size() && same < match.size() &&
                   lower(common.substr(same, 1)) == lower(match.substr(same, 1)))
                ++same;
            common.resize(same);
        }
        if (common.size() > prefix.size() || matches.size() == 1) {
            (void)::el_deletestr(edit, static_cast<int>(prefix.size()));
            const std::string text = matches.size() == 1 ? matches[0] + " " : common;
            (void)::el_insertstr(edit, text.c_str());
            return CC_REFRESH;
        }
        (void)std::fputc('\n', stdout);
        for (std::size_t i = 0; i < std::min(matches.size(), completions_shown_max); ++i) {
            (void)std::fprintf(stdout, "%s  ", printable(matches[i], false).c_str());
        }
        (void)std::fputc('\n', stdout);
        return CC_REDISPLAY;
    }

    // Statements may hold data that is nobody else's business.
    void save() {
        if (file_.empty()) return;
        const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return;
        (void)::fchmod(fd, 0600);
        ::close(fd);
        HistEvent event;
        (void)::history(history_, &event, H_SAVE, file_.c_str());
        (void)::chmod(file_.c_str(), 0600);
    }

    std::string file_;
    EditorHooks hooks_;
    std::string prompt_;
    bool interrupted_ = false;
    EditLine* edit_ = nullptr;
    History* history_ = nullptr;
};

ShellEditor::ShellEditor(std::string history_file, EditorHooks hooks)
    : impl_(std::make_unique<Impl>(std::move(history_file), std::move(hooks))) {}
ShellEditor::~ShellEditor() = default;

ShellEditor::Read ShellEditor::read(const std::string& prompt, std::string& line) {
    return impl_->read(prompt, line);
}
void ShellEditor::remember(const std::string& entry) {
    impl_->remember(entry);
}

bool may_be_remembered(const std::string& sql) {
    const std::string text = lower(sql);
    return text.find("identified") == std::string::npos && text.find("password") == std::string::npos;
}

}  // namespace ddb::client
