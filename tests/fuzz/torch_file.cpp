// A file of torch.save(), zip archive or older, and its pickle: every byte of a tensor can be read.
#include "checkpoint/torch_file.h"

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const instructblip::fuzz::Input input{data, size};
  return instructblip::fuzz::refuse_or_read([&] {
    const instructblip::TorchFile file = instructblip::read_torch_file(input.raw(), "input");
    unsigned sum = 0;
    for (const auto& entry : file.entries) {
      for (const std::byte byte : entry.bytes) sum += static_cast<unsigned>(byte);
    }
    volatile const unsigned used = sum;
    static_cast<void>(used);
  });
}
