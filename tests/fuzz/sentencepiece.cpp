// A SentencePiece model, by a file in memory.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuzz/input.h"
#include "text/sentencepiece_file.h"
#include "text/slow_llama_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("input", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) < 0) return 0;
  return instructblip::fuzz::refuse_or_read([] {
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    instructblip::read_sentencepiece_file(path);
    // What the library makes of those that our reader takes.
    const auto tokenizer = instructblip::load_slow_llama(path);
    tokenizer->decode(tokenizer->encode("A caf\u00E9 </s> \u2581<0x0A>\U0001F600 ok"), false);
  });
}
