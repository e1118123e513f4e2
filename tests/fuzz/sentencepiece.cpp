// A SentencePiece model, by a file in memory.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuzz/input.h"
#include "text/sentencepiece_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("input", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) < 0) return 0;
  return instructblip::fuzz::refuse_or_read(
      [] { instructblip::read_sentencepiece_file("/proc/self/fd/" + std::to_string(file)); });
}
