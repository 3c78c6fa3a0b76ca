// libFuzzer: fuzz_decode CORPUS_DIR. `decode_corpus --write DIR` makes a first corpus.
#include "tests/fuzz/decode_all.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ddb::fuzz::decode_all(data, size);
    return 0;
}
