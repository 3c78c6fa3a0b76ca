// The fuzzer's function over seeded mutations of valid inputs: repeatable, and without clang.
//     decode_corpus [--seed S] [--rounds N]     decode_corpus --write DIR
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>

#include "tests/fuzz/decode_all.hpp"

namespace {

using Random = std::mt19937_64;

[[nodiscard]] std::size_t below(Random& random, std::size_t limit) {
    return limit == 0 ? 0 : random() % limit;
}

// Bytes at which msgpack and our limits change their mind.
[[nodiscard]] char interesting(Random& random) {
    static constexpr unsigned char bytes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xC4,
                                              0xC6, 0xC7, 0xC9, 0xCA, 0xCC, 0xCF, 0xD0, 0xD4, 0xD8, 0xD9, 0xDB, 0xDC,
                                              0xDD, 0xDE, 0xDF, 0xE0, 0xFF, '{',  '}',  '"',  '[',  '$',  '-'};
    return static_cast<char>(bytes[below(random, sizeof bytes)]);
}

[[nodiscard]] std::string mutate(std::string input, const std::string& other, Random& random) {
    const std::size_t changes = 1 + below(random, 4);
    for (std::size_t i = 0; i < changes; ++i) {
        // The first byte chooses the decoder and stays most of the time.
        const std::size_t at = below(random, 50) == 0 ? 0 : 1 + below(random, input.size() - 1);
        switch (below(random, 7)) {
            case 0:
                input[at] = static_cast<char>(random());
                break;
            case 1:
                input[at] = interesting(random);
                break;
            case 2:
                input.insert(at, 1 + below(random, 8), interesting(random));
                break;
            case 3:
                input.erase(at, 1 + below(random, 16));
                break;
            case 4:
                input.resize(at);
                break;
            case 5:
                input.insert(at, other.substr(below(random, other.size())));
                break;
            default:
                input[at] = static_cast<char>(static_cast<unsigned char>(input[at]) ^ (1U << below(random, 8)));
                break;
        }
        if (input.size() < 2) return input;
    }
    return input;
}

int write_corpus(const std::string& directory) {
    int number = 0;
    for (const std::string& input : ddb::fuzz::seeds()) {
        std::ofstream(directory + "/seed-" + std::to_string(++number), std::ios::binary) << input;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seed = 1;
    std::uint64_t rounds = 10'000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "--write") == 0) return write_corpus(argv[i + 1]);
        if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
        if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::strtoull(argv[i + 1], nullptr, 10);
    }
    Random random(seed);
    const auto seeds = ddb::fuzz::seeds();
    for (const std::string& input : seeds) {
        ddb::fuzz::decode_all(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    }
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::string input =
            mutate(seeds[below(random, seeds.size())], seeds[below(random, seeds.size())], random);
        ddb::fuzz::decode_all(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    }
    std::printf("%zu inputs and %llu mutations of them (seed %llu) decoded without harm\n", seeds.size(),
                static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(seed));
    return 0;
}
