// The journal under damage: a torn tail is cut, everything else is an error, and a full disk ends the process.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <random>

#include "storage_journal_log.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;
namespace fs = std::filesystem;

namespace {

constexpr int confirm_fd = 3;  // of the writing process: index after index, each when it is completed

// This test program again, running only the hidden case "writer": a fresh process, since a forked one would lack the
// database's threads.
class WriterProcess {
  public:
    WriterProcess(const std::string& dir, int count, std::size_t payload) {
        int confirmed[2], errors[2];
        REQUIRE(::pipe2(confirmed, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(errors, O_CLOEXEC) == 0);
        // The writing ends get numbers of their own first: a pipe may already have one of those they are to have in the
        // writer, and then the first dup2 would close the other's source.
        const int confirm_from = out_of_the_way(confirmed[1]), errors_from = out_of_the_way(errors[1]);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, confirm_from, confirm_fd);
        ::posix_spawn_file_actions_adddup2(&actions, errors_from, 2);
        std::string environment[] = {"WRITER_DIR=" + dir, "WRITER_COUNT=" + std::to_string(count),
                                     "WRITER_PAYLOAD=" + std::to_string(payload)};
        char* environment_pointers[] = {environment[0].data(), environment[1].data(), environment[2].data(), nullptr};
        char program[] = "/proc/self/exe";
        char test_case[] = "[.writer]";
        char* arguments[] = {program, test_case, nullptr};
        REQUIRE(::posix_spawn(&pid_, program, &actions, nullptr, arguments, environment_pointers) == 0);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(confirm_from);
        ::close(errors_from);
        confirmed_ = confirmed[0];
        errors_ = errors[0];
    }
    ~WriterProcess() {
        ::close(confirmed_);
        ::close(errors_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    bool next(std::uint64_t& index) { return ::read(confirmed_, &index, sizeof index) == sizeof index; }
    void kill() { ::kill(pid_, SIGKILL); }
    int wait() {
        int status = -1;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }
    std::string errors() {
        char text[4000] = {};
        const ssize_t n = ::read(errors_, text, sizeof text - 1);
        return {text, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
    }

  private:
    static int out_of_the_way(int fd) {
        const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, confirm_fd + 1);
        REQUIRE(moved > confirm_fd);
        ::close(fd);
        return moved;
    }

    pid_t pid_ = -1;
    int confirmed_ = -1;
    int errors_ = -1;
};

// Writes and dies without closing anything. Returns the last completed index.
std::uint64_t write_and_die(const std::string& dir, int count) {
    WriterProcess writer(dir, count, 300);
    std::uint64_t last = 0;
    for (std::uint64_t index = 0; writer.next(index);) last = index;
    const int status = writer.wait();
    INFO(writer.errors());
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
    return last;
}

fs::path newest_wal(const JournalOptions& options) {
    fs::path out;
    for (const auto& file : fs::directory_iterator(options.dir + "/db")) {
        if (file.path().extension() == ".log" && file.file_size() > 0 && file.path() > out) out = file.path();
    }
    REQUIRE_FALSE(out.empty());
    return out;
}

void flip_bit(const fs::path& path, std::uintmax_t offset, int bit = 3) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    char byte = 0;
    file.get(byte);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ (1 << bit)));
}

Error must_fail(const JournalOptions& options) {
    auto journal = Journal::open(options, [](const auto&) {});
    REQUIRE_FALSE(journal.ok());
    INFO(journal.error().message);
    CHECK(journal.error().code == ErrorCode::corrupt);
    CHECK(journal.error().message.find("move") != std::string::npos);
    return journal.error();
}

}  // namespace

TEST_CASE("writer", "[.writer]") {
    const char* dir = ::getenv("WRITER_DIR");
    if (dir == nullptr) return;
    const int count = std::atoi(::getenv("WRITER_COUNT"));
    const auto payload = static_cast<std::size_t>(std::atoi(::getenv("WRITER_PAYLOAD")));
    ::alarm(500);
    OpenJournal journal(journal_in(dir));
    Chain chain;
    const auto recovered = journal->take_recovered();
    if (!recovered.entries.empty()) chain.go_back_to(recovered.entries.back());
    for (int i = 0; i < count; ++i) {
        core::JournalWrite write;
        if (i == 0) write.hard = core::HardState{Epoch{1}, NodeId{7}};
        write.entries = {chain.next(std::string(payload, static_cast<char>('a' + i % 26)))};
        const std::uint64_t index = write.entries[0].id.index.value;
        journal.write(std::move(write));
        journal.wait_all();
        if (::write(confirm_fd, &index, sizeof index) != sizeof index) ::_exit(1);
    }
    ::_exit(0);
}

TEST_CASE("a process that dies keeps everything it completed") {
    TemporaryDir dir;
    CHECK(write_and_die(dir.path(), 200) == 200);
    OpenJournal journal(journal_in(dir.path()));
    CHECK(journal->notes().empty());
    CHECK(journal->take_recovered().entries.size() == 200);
}

TEST_CASE("a write cut short is dropped and noted") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    write_and_die(dir.path(), 100);
    const fs::path wal = newest_wal(options);
    fs::resize_file(wal, fs::file_size(wal) - GENERATE(3, 100, 400));
    SECTION("it was confirmed: an error, also the next time") {
        for (int i = 0; i < 2; ++i) {
            CHECK(must_fail(options).message.find("confirmed writes are missing") != std::string::npos);
        }
    }
    SECTION("it was not: the mark is written after the sync, so a power failure leaves the one before") {
        fs::remove(options.dir + "/tail");
        OpenJournal journal(options);
        REQUIRE(journal->notes().size() == 1);
        CHECK(journal->notes()[0].find("cut short") != std::string::npos);
        CHECK(journal->take_recovered().entries.size() == 99);
    }
}

TEST_CASE("any flipped bit in the write-ahead log is noticed") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    write_and_die(dir.path(), 300);
    const fs::path wal = newest_wal(options);
    const std::uintmax_t size = fs::file_size(wal);
    fs::copy(options.dir, dir.path() + "/intact", fs::copy_options::recursive);
    std::mt19937_64 random(2024);
    for (int round = 0; round < 40; ++round) {
        // Also in the last 32 KiB, where a damaged length looks like a torn tail.
        const std::uintmax_t from = round % 2 == 0 ? 0 : size - std::min<std::uintmax_t>(size, 20'000);
        flip_bit(wal, from + random() % (size - from), static_cast<int>(random() % 8));
        (void)must_fail(options);
        fs::remove_all(options.dir);
        fs::copy(dir.path() + "/intact", options.dir, fs::copy_options::recursive);
    }
    OpenJournal journal(options);
    CHECK(journal->take_recovered().entries.size() == 300);
}

TEST_CASE("a hole of zeros in the middle, and a log that is gone, are noticed") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    write_and_die(dir.path(), 1000);
    const fs::path wal = newest_wal(options);
    SECTION("hole") {
        std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
        const std::uintmax_t block = std::uintmax_t{32u << 10} * GENERATE(1, 3, 7);
        file.seekp(static_cast<std::streamoff>(block));
        file.write(std::string(32u << 10, '\0').data(), 32 << 10);
    }
    SECTION("gone") {
        fs::remove(wal);
    }
    SECTION("empty") {
        fs::resize_file(wal, 0);
    }
    (void)must_fail(options);
}

TEST_CASE("a damaged table file is noticed") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    write_and_die(dir.path(), 200);
    { OpenJournal journal(options); }  // recovery writes the table files
    fs::path largest;
    for (const auto& file : fs::directory_iterator(options.dir + "/db")) {
        if (file.path().extension() != ".sst") continue;
        if (largest.empty() || file.file_size() > fs::file_size(largest)) largest = file.path();
    }
    flip_bit(largest, fs::file_size(largest) / 3);
    (void)must_fail(options);
}

TEST_CASE("killed again and again, the journal never loses what it completed") {
    TemporaryDir dir;
    for (int round = 0; round < 8; ++round) {
        std::uint64_t confirmed = 0;
        {
            WriterProcess writer(dir.path(), 1'000'000, 20'000);
            for (int i = 0; i < 50 + round * 37; ++i) REQUIRE(writer.next(confirmed));
            writer.kill();
            for (std::uint64_t index = 0; writer.next(index);) confirmed = index;
            (void)writer.wait();
        }
        OpenJournal journal(journal_in(dir.path()));
        const auto recovered = journal->take_recovered();
        CHECK(recovered.entries.size() >= confirmed);
        CHECK(recovered.entries.size() <= confirmed + 1);
    }
}

TEST_CASE("a full disk ends the process with a clear message, and nothing completed is lost") {
    TemporaryDir dir;
    const std::string small = dir.path() + "/small";
    fs::create_directory(small);
    if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=60m") != 0) {
        WARN("tmpfs cannot be mounted here: " << std::strerror(errno));
        return;
    }
    std::uint64_t confirmed = 0;
    {
        WriterProcess writer(small, 200, 1u << 20);
        for (std::uint64_t index = 0; writer.next(index);) confirmed = index;
        const int status = writer.wait();
        const std::string text = writer.errors();
        INFO(text);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 74);
        CHECK(text.find("No space left on device") != std::string::npos);
        CHECK(confirmed > 5);
    }
    // With room again, everything completed is there.
    CHECK(::mount("tmpfs", small.c_str(), "tmpfs", MS_REMOUNT, "size=200m") == 0);
    {
        OpenJournal journal(journal_in(small));
        CHECK(journal->take_recovered().entries.size() >= confirmed);
    }
    ::umount(small.c_str());
}
