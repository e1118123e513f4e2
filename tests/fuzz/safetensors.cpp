// A safetensors file: every span that is handed out lies in it.
#include "checkpoint/safetensors_header.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const instructblip::fuzz::Input input{data, size};
  return instructblip::fuzz::refuse_or_read([&] {
    const std::span<const std::byte> file = input.raw();
    for (const auto& entry : instructblip::read_safetensors_header(file, "input")) {
      if (entry.bytes.empty()) continue;
      if (entry.bytes.data() < file.data()) __builtin_trap();
      if (entry.bytes.data() + entry.bytes.size() > file.data() + file.size()) __builtin_trap();
    }
  });
}
