// Failpoints: what names them, and that the armed one ends the process at its turn.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "node/storage/failpoint.hpp"

using namespace ddb::storage;

TEST_CASE("a failpoint is a known name with a count, or nothing") {
    CHECK(arm_failpoint("").ok());
    for (const char* text :
         {"nowhere", "decided:", "decided:0", "decided:x", "decided:-1", "decided:1:2", ":1", "none"}) {
        const auto status = arm_failpoint(text);
        INFO(text);
        REQUIRE_FALSE(status.ok());
        CHECK(status.error().message.find("xa_committed") != std::string::npos);  // the known ones are told
    }
}

TEST_CASE("the process ends at the armed failpoint's turn, and not before") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (!arm_failpoint("decided:3").ok()) ::_exit(1);
        pass(Failpoint::applied);
        pass(Failpoint::decided);
        pass(Failpoint::decided);
        pass(Failpoint::captured);
        pass(Failpoint::decided);
        ::_exit(2);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
}
