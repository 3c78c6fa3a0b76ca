// Runs golden scripts and compares whole files: `golden_test [--rewrite] FILE…`. Lines that begin with ">" are
// commands,
// "#" and empty lines stay, everything else is output. Review the difference after --rewrite: it is what changed.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/golden/script.hpp"

namespace {

std::string regenerate(const std::string& text) {
    ddb::golden::Script script;
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') {
            out += line + "\n";
        } else if (line[0] == '>') {
            out += line + "\n";
            for (const std::string& effect : script.run(line.substr(1))) out += "    " + effect + "\n";
        }
    }
    return out;
}

void show_first_difference(const std::string& expected, const std::string& found) {
    std::istringstream a(expected), b(found);
    std::string x, y;
    for (int line = 1;; ++line) {
        const bool more_a = static_cast<bool>(std::getline(a, x)), more_b = static_cast<bool>(std::getline(b, y));
        if (!more_a && !more_b) return;
        if (more_a && more_b && x == y) continue;
        std::printf("  line %d\n  expected: %s\n  found:    %s\n", line, more_a ? x.c_str() : "(end)",
                    more_b ? y.c_str() : "(end)");
        return;
    }
}

bool check(const std::string& file, bool rewrite) {
    std::ifstream in(file);
    if (!in) {
        std::printf("%s: cannot be read\n", file.c_str());
        return false;
    }
    std::stringstream text;
    text << in.rdbuf();
    const std::string found = regenerate(text.str());
    if (found == text.str()) return true;
    if (rewrite) {
        std::ofstream(file) << found;
        std::printf("%s: rewritten\n", file.c_str());
        return true;
    }
    std::printf("%s: differs\n", file.c_str());
    show_first_difference(text.str(), found);
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    bool rewrite = false, good = true;
    int files = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--rewrite") {
            rewrite = true;
            continue;
        }
        ++files;
        try {
            good = check(word, rewrite) && good;
        } catch (const std::exception& error) {
            std::printf("%s: %s\n", word.c_str(), error.what());
            good = false;
        }
    }
    if (files == 0) {
        std::printf("usage: %s [--rewrite] FILE…\n", argv[0]);
        return 2;
    }
    std::printf("%d scripts%s\n", files, good ? "" : ": FAILED");
    return good ? 0 : 1;
}
